package lockstep.replay.ft.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/**
 * Heartbeats alone prove a living loop and nothing more: a side that is heard of and does not get
 * on is given up, or gives itself up, after a bounded time.
 */
class ProgressTest {
  private static final long MS = 1_000_000;
  private static final FtTimes TIMES = FtTimes.of(500, 10_000);

  /** A thread under the test's hand. */
  private static final class Sign implements VitalSign {
    private long moves;
    private boolean mayStand;
    private boolean waitsForPeer;
    private int nudges;

    @Override
    public String name() {
      return "the vCPU";
    }

    @Override
    public long moves() {
      return moves;
    }

    @Override
    public boolean mayStand() {
      return mayStand;
    }

    @Override
    public boolean waitsForPeer() {
      return waitsForPeer;
    }

    @Override
    public void nudge() {
      nudges++;
    }
  }

  private final Sign sign = new Sign();
  private final PairProgress progress = new PairProgress(TIMES, 0);
  private long now;
  private long traffic;

  ProgressTest() {
    progress.watch(List.of(sign));
  }

  private static FtStatus.Transfer log(long sent, long received, long replayed) {
    return new FtStatus.Transfer(sent, received, replayed, 0, 0);
  }

  /** What is told within so long. */
  private List<FtEvent> pass(long millis, Optional<FtStatus.Transfer> log, boolean excused) {
    List<FtEvent> told = new java.util.ArrayList<>();
    for (long until = now + millis * MS; now < until; ) {
      now += TIMES.beatNanos();
      told.addAll(progress.tick(log, excused, traffic, now));
    }
    return told;
  }

  @Test
  void vcpuThatStandsIsNudgedAndThenTold() {
    assertEquals(List.of(), pass(9_000, Optional.empty(), false));
    assertTrue(sign.nudges > 0, "a guest that computes without exits needs a kick to show itself");
    assertEquals(
        List.of(new FtEvent.Stalled("the vCPU has not advanced for 10000 ms")),
        pass(3_000, Optional.empty(), false));
  }

  @Test
  void vcpuThatMayStandOrWaitsForTheOtherSideIsNot() {
    sign.mayStand = true;
    assertEquals(List.of(), pass(30_000, Optional.empty(), false));
    sign.mayStand = false;
    sign.waitsForPeer = true;
    assertEquals(List.of(), pass(30_000, Optional.empty(), true));
    assertFalse(pass(30_000, Optional.empty(), false).isEmpty());
  }

  /** A state-sync of gigabytes is one step of the guest. */
  @Test
  void vcpuThatWritesALongStateSyncIsNot() {
    sign.waitsForPeer = true;
    for (int second = 0; second < 60; second++) {
      traffic += 1 << 20;
      assertEquals(List.of(), pass(1_000, Optional.empty(), false));
    }
  }

  @Test
  void backupWhoseReplayStandsIsTold() {
    sign.mayStand = true;
    assertEquals(List.of(), pass(9_000, Optional.of(log(9, 9, 8)), false));
    assertEquals(
        List.of(new FtEvent.PeerStalled("its replay has not advanced for 10000 ms")),
        pass(3_000, Optional.of(log(9, 9, 8)), false));
  }

  /** Held after it has counted an entry and before it has sent it: the backup is well. */
  @Test
  void backupOfAVcpuThatStandsIsNotBlamed() {
    sign.waitsForPeer = true;
    assertEquals(List.of(), pass(2_000, Optional.of(log(8, 8, 8)), false));
    sign.moves++;
    assertEquals(
        List.of(new FtEvent.Stalled("the vCPU has not advanced for 10000 ms")),
        pass(12_000, Optional.of(log(9, 8, 8)), false));
  }

  @Test
  void backupWithoutAcknowledgementsIsTold() {
    sign.mayStand = true;
    assertEquals(
        List.of(new FtEvent.PeerStalled("its receipts have not advanced for 10000 ms")),
        pass(12_000, Optional.of(log(9, 8, 8)), false));
  }

  @Test
  void backupThatHasDoneAllMayWaitForEver() {
    sign.mayStand = true;
    assertEquals(List.of(), pass(60_000, Optional.of(log(9, 9, 9)), false));
  }

  @Test
  void slowBackupIsNoStalledOne() {
    sign.mayStand = true;
    for (int replayed = 0; replayed < 10; replayed++) {
      assertEquals(List.of(), pass(8_000, Optional.of(log(9, 9, replayed)), false));
    }
  }

  // The session.

  @Test
  void primaryWhoseThreadStandsEndsSoThatTheBackupGoesOn() {
    FtSession session = SessionFixture.protectedPrimary();
    List<FtAction> actions = session.on(new FtEvent.Stalled("the vCPU has"), 5);
    assertEquals(FtState.HALTED, session.state());
    assertTrue(actions.getLast() instanceof FtAction.FailStop, actions.toString());
    // Without a Bye: it would keep the backup from claiming.
    assertFalse(actions.stream().anyMatch(FtAction.Send.class::isInstance), actions.toString());
  }

  @Test
  void lonelyVmIsNotEndedByAThreadThatStands() {
    FtSession session = FtSession.primary("web", SessionFixture.VM, TIMES);
    List<FtAction> actions = session.on(new FtEvent.Stalled("the vCPU has"), 5);
    assertEquals(FtState.ALONE, session.state());
    assertTrue(SessionFixture.says(actions, "no other side"), actions.toString());
  }

  @Test
  void backupThatDoesNotGetOnIsGivenUpByTheDisksWord() {
    FtSession session = SessionFixture.protectedPrimary();
    List<FtAction> actions = session.on(new FtEvent.PeerStalled("its replay has"), 5);
    assertEquals(FtState.CLAIMING, session.state());
    assertTrue(SessionFixture.sends(actions, PeerMessage.Leaving.FAILED), actions.toString());
    assertTrue(actions.contains(new FtAction.Gate(GateMode.CLOSED)), actions.toString());
  }

  @Test
  void backupThatNeverTakesOverCostsNoVmThatIsHandedOver() {
    FtSession session = SessionFixture.protectedPrimary();
    session.on(new FtEvent.HandOver(), 5);
    List<FtAction> actions = session.on(new FtEvent.PeerStalled("its replay has"), 6);
    assertTrue(actions.contains(new FtAction.Claim()), actions.toString());
  }
}
