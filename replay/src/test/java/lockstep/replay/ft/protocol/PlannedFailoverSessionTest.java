package lockstep.replay.ft.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import org.junit.jupiter.api.Test;

/** A primary that hands over is over only when the disk says that it has lost. */
class PlannedFailoverSessionTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final long MS = 1_000_000;
  private static final FtTimes TIMES = FtTimes.of(500);

  private static FtSession handsOver() {
    FtSession session = FtSession.primary("vm", VM, TIMES);
    session.on(new FtEvent.Connected(), 0);
    session.on(new FtEvent.Message(new PeerMessage.Welcome(1)), 1);
    session.on(new FtEvent.LogBegan(), 1);
    session.on(new FtEvent.Message(new PeerMessage.Ready()), 2);
    List<FtAction> actions = session.on(new FtEvent.HandOver(), 3);
    assertEquals(FtState.HANDING_OVER, session.state());
    assertTrue(actions.contains(new FtAction.Gate(GateMode.CLOSED)), actions.toString());
    return session;
  }

  /** Ticks until the disk is asked. */
  private static FtSession asks() {
    FtSession session = handsOver();
    session.on(new FtEvent.Closed(true), 10 * MS);
    for (long now = 20; now < 500; now += 20) {
      List<FtAction> actions = session.on(new FtEvent.Tick(), now * MS);
      assertFalse(actions.contains(new FtAction.Claim()), "a rival after " + now + " ms");
    }
    assertTrue(session.on(new FtEvent.Tick(), 510 * MS).contains(new FtAction.Claim()));
    return session;
  }

  private static List<FtAction> ruled(FtSession session, Verdict verdict) {
    return session.on(new FtEvent.Ruled(new Arbiter.Ruling(verdict, "test")), 600 * MS);
  }

  @Test
  void backupThatGoesOnEndsThisSideInOrder() {
    FtSession session = asks();
    List<FtAction> actions = ruled(session, Verdict.LOST);
    assertEquals(FtState.ENDED, session.state());
    assertEquals(List.of(new FtAction.Gate(GateMode.DEAD)), actions);
  }

  @Test
  void backupThatDiedLeavesTheVmHere() {
    FtSession session = asks();
    List<FtAction> actions = ruled(session, Verdict.WON);
    assertEquals(FtState.ALONE, session.state());
    assertTrue(actions.contains(new FtAction.Gate(GateMode.FREE)), actions.toString());
  }

  @Test
  void diskThatDoesNotAnswerIsAskedAgain() {
    FtSession session = asks();
    ruled(session, Verdict.UNKNOWN);
    assertEquals(FtState.CLAIMING, session.state());
    assertTrue(session.on(new FtEvent.Tick(), 2_000 * MS).contains(new FtAction.Claim()));
  }

  @Test
  void backupThatHasJustDivergedLeavesTheVmHere() {
    FtSession session = handsOver();
    PeerMessage.Bye bye = new PeerMessage.Bye(PeerMessage.Leaving.DIVERGED, "test");
    session.on(new FtEvent.Message(bye), 5);
    assertEquals(FtState.ALONE, session.state());
  }
}
