package lockstep.replay.ft.protocol;

import static lockstep.replay.ft.protocol.SessionFixture.MS;
import static lockstep.replay.ft.protocol.SessionFixture.following;
import static lockstep.replay.ft.protocol.SessionFixture.protectedPrimary;
import static lockstep.replay.ft.protocol.SessionFixture.says;
import static lockstep.replay.ft.protocol.SessionFixture.sends;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import lockstep.replay.ft.disk.Arbiter;
import org.junit.jupiter.api.Test;

/**
 * A backup asks the disk when its machine is the one that the log describes, and not before: one
 * that won and then found that it cannot go on would have cost the VM a primary that lives.
 */
class CatchUpSessionTest {
  private static final FtAction CLAIM = new FtAction.Claim();

  /** Nothing heard for the whole time-out. */
  private static FtSession catchesUp() {
    FtSession session = following();
    for (long now = 20; session.state() == FtState.FOLLOWING; now += 20) {
      assertTrue(now < 1_000, "never lost");
      List<FtAction> actions = session.on(new FtEvent.Tick(), now * MS);
      assertFalse(actions.contains(CLAIM), actions.toString());
      assertFalse(says(actions, "claiming the disk"), actions.toString());
      if (session.state() == FtState.CATCHING_UP) {
        assertTrue(actions.contains(new FtAction.SealLog()), actions.toString());
        // So that a primary that lives learns of it, and claims first.
        assertTrue(actions.contains(new FtAction.Disconnect()), actions.toString());
      }
    }
    return session;
  }

  @Test
  void diskIsAskedWhenAllThatCameIsReplayedAndNotBefore() {
    FtSession session = catchesUp();
    for (long now = 600; now < 5_000; now += 20) {
      assertFalse(session.on(new FtEvent.Tick(), now * MS).contains(CLAIM));
    }
    List<FtAction> actions = session.on(new FtEvent.CaughtUp(), 5_000 * MS);
    assertTrue(actions.contains(CLAIM) && says(actions, "claiming the disk"), actions.toString());
    assertEquals(FtState.CLAIMING, session.state());
  }

  @Test
  void divergenceInTheRestOfTheLogClaimsNothingAndTheSideCanFollowAgain() {
    FtSession session = catchesUp();
    List<FtAction> actions = session.on(new FtEvent.Diverged("exit 7 differs"), 600 * MS);
    assertEquals(FtState.WAITING, session.state());
    assertTrue(actions.contains(new FtAction.EndLog(false)), actions.toString());
    assertTrue(says(actions, "the VM is not taken over: diverged"), actions.toString());
    assertFalse(session.on(new FtEvent.CaughtUp(), 700 * MS).contains(CLAIM));
    session.on(new FtEvent.Message(SessionFixture.hello(1)), 800 * MS);
    assertEquals(FtState.WAITING, session.state(), "an epoch that is over");
    session.on(new FtEvent.Message(SessionFixture.hello(2)), 900 * MS);
    assertEquals(FtState.RECEIVING, session.state());
  }

  @Test
  void guestThatEndedInTheLogIsClaimedAtOnceWhenThePrimaryIsLost() {
    FtSession session = following();
    session.on(new FtEvent.CaughtUp(), 3);
    assertEquals(FtState.FOLLOWING, session.state());
    session.on(new FtEvent.Closed(true), 4);
    session.on(new FtEvent.Tick(), 20 * MS);
    assertEquals(FtState.CLAIMING, session.state());
  }

  @Test
  void handedOverVmIsClaimedWhenItIsReplayedAndHeartbeatsSaySoMeanwhile() {
    FtSession session = following();
    PeerMessage.Bye bye = new PeerMessage.Bye(PeerMessage.Leaving.HANDOVER, "test");
    List<FtAction> actions = session.on(new FtEvent.Message(bye), 10 * MS);
    assertEquals(FtState.CATCHING_UP, session.state());
    assertFalse(actions.contains(CLAIM) || actions.contains(new FtAction.Disconnect()));
    assertTrue(
        session.on(new FtEvent.Tick(), 60 * MS).stream()
            .anyMatch(FtAction.SendBeat.class::isInstance));
    List<FtAction> ready = session.on(new FtEvent.CaughtUp(), 70 * MS);
    assertTrue(ready.contains(CLAIM) && ready.contains(new FtAction.Disconnect()));
  }

  @Test
  void handedOverVmThatDivergesGoesOnAtThePrimary() {
    FtSession session = following();
    PeerMessage.Bye bye = new PeerMessage.Bye(PeerMessage.Leaving.HANDOVER, "test");
    session.on(new FtEvent.Message(bye), 10 * MS);
    List<FtAction> actions = session.on(new FtEvent.Diverged("exit 7 differs"), 20 * MS);
    assertTrue(sends(actions, PeerMessage.Leaving.DIVERGED), actions.toString());
    assertEquals(FtState.WAITING, session.state());
  }

  @Test
  void primaryThatHandsOverWaitsWhileTheBackupIsHeardOf() {
    FtSession session = protectedPrimary();
    session.on(new FtEvent.HandOver(), 5);
    long beat = 0;
    for (long now = 20; now < 3_000; now += 20) {
      session.on(new FtEvent.Beat(++beat, 0, true, false), now * MS);
      assertFalse(session.on(new FtEvent.Tick(), now * MS).contains(CLAIM), "rival at " + now);
    }
    session.on(new FtEvent.Closed(true), 3_000 * MS);
    boolean claimed = false;
    for (long now = 3_000; now < 3_600; now += 20) {
      boolean claims = session.on(new FtEvent.Tick(), now * MS).contains(CLAIM);
      assertFalse(claims && now < 3_480, "a rival at " + now);
      claimed |= claims;
    }
    assertTrue(claimed);
  }

  @Test
  void userMayStopItAndAWinnerGoesOnAllTheSame() {
    FtSession session = catchesUp();
    session.on(new FtEvent.Detach(), 600 * MS);
    assertEquals(FtState.CATCHING_UP, session.state());
    session.on(new FtEvent.CaughtUp(), 700 * MS);
    Arbiter.Ruling won = new Arbiter.Ruling(Arbiter.Verdict.WON, "test");
    session.on(new FtEvent.Ruled(won), 800 * MS);
    assertEquals(FtState.TAKING_OVER, session.state());
  }
}
