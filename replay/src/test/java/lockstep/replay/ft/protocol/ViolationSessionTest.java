package lockstep.replay.ft.protocol;

import static lockstep.replay.ft.protocol.SessionFixture.MS;
import static lockstep.replay.ft.protocol.SessionFixture.VM;
import static lockstep.replay.ft.protocol.SessionFixture.following;
import static lockstep.replay.ft.protocol.SessionFixture.protectedPrimary;
import static lockstep.replay.ft.protocol.SessionFixture.receiving;
import static lockstep.replay.ft.protocol.SessionFixture.says;
import static lockstep.replay.ft.protocol.SessionFixture.sends;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** The other side's words are checked: what cannot be so costs the pair, and never makes a VM. */
class ViolationSessionTest {
  private static final FtEvent LIE = new FtEvent.Violation("it lies");

  @Test
  void backupThatIsReadyBeforeTheStateHasGoneProtectsNothing() {
    FtSession session = FtSession.primary("web", VM, SessionFixture.TIMES);
    session.on(new FtEvent.Connected(), 0);
    session.on(new FtEvent.Message(new PeerMessage.Welcome(1)), 1);
    List<FtAction> actions = session.on(new FtEvent.Message(new PeerMessage.Ready()), 2);
    assertEquals(FtState.ALONE, session.state());
    assertTrue(says(actions, "Ready before it had the state"), actions.toString());
  }

  @Test
  void backupMayClaimOnlyWhenItHasWhatWasShownBeforeBegin() {
    FtSession session = receiving();
    session.on(new FtEvent.Restored(), 1);
    session.on(new FtEvent.Received(41), 2);
    session.on(new FtEvent.Message(new PeerMessage.Begin(42)), 3);
    assertEquals(FtState.RECEIVING, session.state());
    session.on(new FtEvent.Received(42), 4);
    assertEquals(FtState.FOLLOWING, session.state());
  }

  @Test
  void backupWithoutTheEntriesBeforeBeginClaimsNothing() {
    FtSession session = receiving();
    session.on(new FtEvent.Restored(), 1);
    session.on(new FtEvent.Message(new PeerMessage.Begin(42)), 3);
    session.on(new FtEvent.Closed(true), 4);
    assertEquals(FtState.WAITING, session.state());
  }

  @Test
  void consoleBytesCountedInAnotherEpochEndThePair() {
    FtSession session = receiving();
    List<FtAction> actions = session.on(new FtEvent.Message(new PeerMessage.Released(0, 5)), 1);
    assertFalse(actions.stream().anyMatch(FtAction.Forget.class::isInstance), actions.toString());
    assertEquals(FtState.WAITING, session.state());
    FtSession right = receiving();
    assertTrue(
        right
            .on(new FtEvent.Message(new PeerMessage.Released(1, 5)), 1)
            .contains(new FtAction.Forget(5)));
  }

  @Test
  void primaryGivesUpABackupThatLiesByTheDisksWord() {
    FtSession session = protectedPrimary();
    List<FtAction> actions = session.on(LIE, 5);
    assertEquals(FtState.CLAIMING, session.state());
    assertTrue(actions.contains(new FtAction.Gate(GateMode.CLOSED)), actions.toString());
    assertTrue(says(actions, "it lies"), actions.toString());
  }

  @Test
  void backupThatIsLiedToNeverClaims() {
    FtSession session = following();
    List<FtAction> actions = session.on(LIE, 5);
    assertEquals(FtState.WAITING, session.state());
    assertTrue(sends(actions, PeerMessage.Leaving.FAILED), actions.toString());
    session.on(new FtEvent.CaughtUp(), 6);
    for (long now = 20; now < 2_000; now += 20) {
      assertFalse(session.on(new FtEvent.Tick(), now * MS).contains(new FtAction.Claim()));
    }
  }
}
