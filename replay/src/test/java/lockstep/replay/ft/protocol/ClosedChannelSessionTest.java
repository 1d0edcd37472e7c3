package lockstep.replay.ft.protocol;

import static lockstep.replay.ft.protocol.SessionFixture.MS;
import static lockstep.replay.ft.protocol.SessionFixture.following;
import static lockstep.replay.ft.protocol.SessionFixture.protectedPrimary;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a channel that is gone means, beside heartbeats that may still come by datagram. */
class ClosedChannelSessionTest {
  private static final FtAction CLAIM = new FtAction.Claim();

  /** No acknowledgement can come any more, so nothing that the gate lets out is protected. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void primaryLetsNothingOutAndAsksTheDiskWhoeverClosedIt(boolean byPeer) {
    List<FtAction> actions = protectedPrimary().on(new FtEvent.Closed(byPeer), 4);
    FtAction closed = new FtAction.Gate(GateMode.CLOSED);
    assertTrue(actions.contains(closed), actions.toString());
    assertTrue(actions.indexOf(closed) < actions.indexOf(CLAIM), actions.toString());
  }

  /** A backup that has replayed all, hears heartbeats by datagram, and whose channel is closed. */
  private static FtSession asks(boolean byPeer) {
    FtSession session = following();
    session.on(new FtEvent.Beat(1, 0, true, false), 90 * MS);
    session.on(new FtEvent.Tick(), 95 * MS);
    List<FtAction> actions = session.on(new FtEvent.Closed(byPeer), 100 * MS);
    assertEquals(FtState.CATCHING_UP, session.state());
    assertTrue(actions.contains(new FtAction.SealLog()), actions.toString());
    assertEquals(Optional.of(2L), question(actions));
    session.on(new FtEvent.CaughtUp(), 101 * MS);
    assertEquals(FtState.CATCHING_UP, session.state(), "the primary was not waited for");
    return session;
  }

  private static Optional<Long> question(List<FtAction> actions) {
    return actions.stream()
        .filter(FtAction.SendBeat.class::isInstance)
        .map(FtAction.SendBeat.class::cast)
        .filter(FtAction.SendBeat::asks)
        .map(FtAction.SendBeat::sequence)
        .findFirst();
  }

  @Test
  void primaryThatDoesNotAnswerIsDead() {
    FtSession session = asks(true);
    // Sent before the end of the channel, and late.
    session.on(new FtEvent.Beat(2, 1, true, false), 102 * MS);
    assertFalse(session.on(new FtEvent.Closed(true), 105 * MS).contains(CLAIM));
    assertTrue(session.on(new FtEvent.Closed(true), 112 * MS).contains(CLAIM));
  }

  @Test
  void primaryThatAnswersOutvotesTheResetUntilItIsSilent() {
    FtSession session = asks(true);
    session.on(new FtEvent.Beat(2, 2, true, false), 103 * MS);
    for (long now = 110; now < 600; now += 20) {
      assertFalse(session.on(new FtEvent.Tick(), now * MS).contains(CLAIM), "at " + now);
    }
    assertTrue(session.on(new FtEvent.Tick(), 610 * MS).contains(CLAIM));
  }

  @Test
  void ownEndOfTheChannelSaysNothingOfThePrimary() {
    FtSession session = asks(false);
    for (long now = 110; now < 590; now += 20) {
      assertFalse(session.on(new FtEvent.Tick(), now * MS).contains(CLAIM), "at " + now);
    }
    assertTrue(session.on(new FtEvent.Tick(), 595 * MS).contains(CLAIM));
  }

  @Test
  void questionIsAnsweredAtOnceAndOnlyOnce() {
    FtSession session = protectedPrimary();
    List<FtAction> actions = session.on(new FtEvent.Beat(7, 0, true, true), 5 * MS);
    assertTrue(actions.contains(new FtAction.SendBeat(1, 7, false)), actions.toString());
    assertEquals(List.of(), session.on(new FtEvent.Beat(7, 0, true, true), 6 * MS));
  }

  @Test
  void pairWithoutDatagramsSaysSoOnceAndClaimsAsSoonAsTheChannelIsGone() {
    FtSession session = following();
    int told = 0;
    for (long now = 20, beat = 1; now < 5_000; now += 20, beat++) {
      session.on(new FtEvent.Message(new PeerMessage.Beat(beat, 0)), now * MS);
      List<FtAction> actions = session.on(new FtEvent.Tick(), now * MS);
      told += SessionFixture.says(actions, "no heartbeat of the other side comes by UDP") ? 1 : 0;
    }
    assertEquals(1, told);
    assertFalse(session.hasDatagrams());
    session.on(new FtEvent.CaughtUp(), 4_990 * MS);
    session.on(new FtEvent.Closed(true), 5_000 * MS);
    assertEquals(FtState.CLAIMING, session.state());
  }

  @Test
  void datagramsThatComeBackAreToldOf() {
    FtSession session = following();
    for (long now = 20, beat = 1; now < 2_000; now += 20, beat++) {
      session.on(new FtEvent.Message(new PeerMessage.Beat(beat, 0)), now * MS);
      session.on(new FtEvent.Tick(), now * MS);
    }
    session.on(new FtEvent.Beat(200, 0, true, false), 2_001 * MS);
    assertTrue(
        SessionFixture.says(session.on(new FtEvent.Tick(), 2_010 * MS), "come by UDP again"));
    assertTrue(session.hasDatagrams());
  }

  /** A long message on a slow wire: it is minutes until it is whole. */
  @Test
  void everyPieceOfAMessageIsASignOfLife() {
    FtSession session = following();
    for (long now = 20; now < 5_000; now += 20) {
      session.on(new FtEvent.Bytes(), now * MS);
      session.on(new FtEvent.Tick(), now * MS);
    }
    assertEquals(FtState.FOLLOWING, session.state());
  }
}
