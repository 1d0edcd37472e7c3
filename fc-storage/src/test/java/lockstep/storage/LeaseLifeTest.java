package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.storage.FileLease.Standing;
import lockstep.testing.ManualClock;
import lockstep.testing.SimulatedShare;
import lockstep.testing.SimulatedShare.Cache;
import org.junit.jupiter.api.Test;

/** Which VM may write to an image, on hosts that do not see each other's locks. */
class LeaseLifeTest {
  private static final Claimant ONE = new Claimant("1".repeat(32), 1, Side.PRIMARY);
  private static final Claimant TWO = new Claimant("2".repeat(32), 1, Side.PRIMARY);
  private static final long SECOND = 1_000_000_000L;

  private final ManualClock.Timeline time = new ManualClock.Timeline();
  private final ManualClock clockA = time.clock();
  private final ManualClock clockB = time.clock();
  private final SimulatedShare share = new SimulatedShare(clockA::nanos, new SplittableRandom(1));
  private final SimulatedShare.Mount mountA = share.mount(Cache.UNTIL_CHANGE, true);
  private final SimulatedShare.Mount mountB = share.mount(Cache.UNTIL_CHANGE, true);
  private final FileLease a = new FileLease(mountA, clockA, "pid 1 on alpha");
  private final FileLease b = new FileLease(mountB, clockB, "pid 2 on beta");

  @Test
  void vmThatOnlyItsHeartbeatsShowIsRefusedByName() throws Exception {
    a.enter(ONE);
    IOException refused = assertThrows(IOException.class, () -> b.enter(TWO));
    assertEquals(
        "disk /share/disk.img is in use by another VM, "
            + ONE.vm()
            + " (pid 1 on alpha); stop that VM first",
        refused.getMessage());
    assertEquals(Standing.HELD, a.standing());
    assertEquals(Standing.UNSURE, b.standing());
  }

  @Test
  void freeDiskAndOneThatWasGivenUpAreTakenWithoutAWait() throws Exception {
    long from = clockA.nanos();
    a.enter(ONE);
    a.leave(ONE);
    b.enter(TWO);
    assertEquals(from, clockA.nanos());
    assertTrue(b.holds());
  }

  @Test
  void silentVmIsTakenOverAndWritesNothingWhenItWakesUp() throws Exception {
    List<String> losses = new ArrayList<>();
    a.onLoss(losses::add);
    a.enter(ONE);
    clockA.stopped(true);
    time.pass(FileLease.HOLD_NANOS - 1);
    assertEquals(Standing.HELD, a.standing());
    time.pass(1);
    assertEquals(Standing.UNSURE, a.standing(), "before it has looked again");
    long from = clockB.nanos();
    b.enter(TWO);
    assertTrue(clockB.nanos() - from <= FileLease.LOOK_NANOS + FileLease.RUN_OUT_NANOS + SECOND);
    assertEquals(Standing.HELD, b.standing());
    assertEquals(Standing.UNSURE, a.standing());
    clockA.stopped(false);
    time.pass(SECOND);
    assertEquals(Standing.LOST, a.standing());
    assertEquals(List.of("disk /share/disk.img has gone to VM " + TWO.vm() + ", epoch 1"), losses);
    assertEquals(Standing.HELD, b.standing());
  }

  @Test
  void vmThatWasStoppedAndNotReplacedGoesOn() throws Exception {
    a.enter(ONE);
    clockA.stopped(true);
    time.pass(100 * SECOND);
    assertFalse(a.holds());
    clockA.stopped(false);
    time.pass(SECOND);
    assertTrue(a.holds());
  }

  @Test
  void backupCountsAsALifeOfItsVm() throws Exception {
    a.enter(ONE);
    b.enter(ONE.peer());
    a.close();
    mountA.crash();
    ManualClock clockC = time.clock();
    FileLease c = new FileLease(share.mount(Cache.NONE, true), clockC, "pid 3 on gamma");
    assertThrows(IOException.class, () -> c.enter(TWO));
    time.pass(100 * SECOND);
    assertEquals(Verdict.WON, b.claim(ONE.peer()).verdict());
    assertTrue(b.holds());
  }

  @Test
  void loserOfAPairHoldsNothingAndTheWinnerDoesAtOnce() throws Exception {
    a.enter(ONE);
    b.enter(ONE.peer());
    assertTrue(a.holds());
    assertFalse(b.holds(), "a backup");
    assertEquals(Verdict.WON, b.claim(ONE.peer()).verdict());
    assertTrue(b.holds());
    assertEquals(Verdict.LOST, a.claim(ONE).verdict());
    assertEquals(Standing.LOST, a.standing());
  }

  /** It may not have claimed yet, or is handing over: its claim tells it, and nothing else. */
  @Test
  void primaryWhoseBackupHasWonStopsWritingAndIsNotToldOfALoss() throws Exception {
    List<String> losses = new ArrayList<>();
    a.onLoss(losses::add);
    a.enter(ONE);
    b.enter(ONE.peer());
    assertEquals(Verdict.WON, b.claim(ONE.peer()).verdict());
    time.pass(SECOND);
    assertEquals(Standing.LOST, a.standing());
    assertEquals(List.of(), losses);
  }

  @Test
  void claimAndEndNeedNoRoom() throws Exception {
    a.enter(ONE);
    b.enter(ONE.peer());
    share.full(true);
    time.pass(10 * SECOND);
    assertTrue(a.holds());
    assertEquals(Verdict.WON, b.claim(ONE.peer()).verdict());
    assertEquals(Verdict.LOST, a.claim(ONE).verdict());
    b.leave(ONE.peer());
    assertEquals(java.util.Optional.empty(), b.holderLine());
  }

  @Test
  void shareThatIsAwayIsNeitherLostNorHeld() throws Exception {
    a.enter(ONE);
    b.enter(ONE.peer());
    mountA.mounted(false);
    time.pass(10 * SECOND);
    assertEquals(Standing.UNSURE, a.standing());
    assertEquals(Verdict.UNKNOWN, a.claim(ONE).verdict());
    assertTrue(a.problem().contains("is its directory mounted?"), a.problem());
    assertEquals(List.of(), mountA.list(), "something was made in the mount point");
    mountA.mounted(true);
    time.pass(SECOND);
    assertTrue(a.holds());
    assertEquals(Verdict.WON, a.claim(ONE).verdict());
    assertEquals(Verdict.LOST, b.claim(ONE.peer()).verdict());
  }

  /** Nobody can have taken it: one that finds no lease finds the heartbeats. */
  @Test
  void vmWhoseLeaseWasRemovedGoesOnAndKeepsOthersOff() throws Exception {
    a.enter(ONE);
    share.removeAll();
    time.pass(60 * SECOND);
    assertTrue(a.holds());
    assertThrows(IOException.class, () -> b.enter(TWO));
    assertEquals(Verdict.UNKNOWN, a.claim(ONE).verdict());
  }

  @Test
  void leaseThatWasRemovedCanBePutBackByHand() throws Exception {
    a.enter(ONE);
    b.enter(ONE.peer());
    a.close();
    mountA.crash();
    share.removeAll();
    assertEquals(Verdict.UNKNOWN, b.claim(ONE.peer()).verdict());
    FileLease hand = new FileLease(share.mount(Cache.NONE, true), time.clock(), "by hand");
    hand.enter(ONE);
    hand.close();
    assertEquals(Verdict.WON, b.claim(ONE.peer()).verdict());
  }

  @Test
  void powerLostBeforeTheSyncOfAClaimIsNoWinUndone() throws Exception {
    a.enter(ONE);
    b.enter(ONE.peer());
    // The claim's rename takes effect, and the answer to its sync is lost.
    SimulatedShare.Mount server = share.mount(Cache.NONE, true);
    mountB.pause(
        () -> {
          try {
            if (server.list().stream().noneMatch(name -> name.endsWith(".open"))) {
              mountB.errors(1_000);
            }
          } catch (IOException e) {
            throw new IllegalStateException(e);
          }
        });
    assertEquals(Verdict.UNKNOWN, b.claim(ONE.peer()).verdict());
    mountB.pause(() -> {});
    mountB.errors(0);
    // Whatever the loss of power left of it, one wins and the other loses, for ever.
    share.loseUnsynced();
    Verdict ofA = a.claim(ONE).verdict();
    share.loseUnsynced();
    // The server reports once that it has lost something.
    Verdict ofB = b.claim(ONE.peer()).verdict();
    ofB = ofB == Verdict.UNKNOWN ? b.claim(ONE.peer()).verdict() : ofB;
    assertEquals(ofA == Verdict.WON ? Verdict.LOST : Verdict.WON, ofB);
  }
}
