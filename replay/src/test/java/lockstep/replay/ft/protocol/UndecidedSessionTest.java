package lockstep.replay.ft.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.log.LogHeader;
import org.junit.jupiter.api.Test;

/** A backup whose disk does not say who goes on. */
class UndecidedSessionTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final long MS = 1_000_000;
  private static final FtTimes TIMES = FtTimes.of(500);

  private static FtSession asks() {
    FtSession session = FtSession.backup(TIMES);
    Bytes key = Bytes.copyOf(new byte[PeerMessage.KEY_BYTES]);
    session.on(
        new FtEvent.Message(
            new PeerMessage.Hello(
                PeerMessage.VERSION,
                LogHeader.VERSION,
                "web",
                VM,
                1,
                key,
                7,
                TIMES.silenceMillis())),
        0);
    session.on(new FtEvent.Restored(), 1);
    session.on(new FtEvent.Message(new PeerMessage.Begin(0)), 2);
    assertEquals(FtState.FOLLOWING, session.state());
    session.on(new FtEvent.Closed(true), 3 * MS);
    session.on(new FtEvent.CaughtUp(), 20 * MS);
    assertTrue(session.on(new FtEvent.Tick(), 100 * MS).contains(new FtAction.Claim()));
    return session;
  }

  private static List<FtAction> unknown(FtSession session, String why, long nowMillis) {
    return session.on(new FtEvent.Ruled(new Arbiter.Ruling(Verdict.UNKNOWN, why)), nowMillis * MS);
  }

  private static boolean says(List<FtAction> actions) {
    return actions.stream().anyMatch(FtAction.Note.class::isInstance);
  }

  @Test
  void sameReasonIsToldNowAndThenAndANewOneAtOnce() {
    FtSession session = asks();
    assertTrue(says(unknown(session, "no route", 200)));
    int told = 0;
    for (long now = 400; now < 20_000; now += 200) {
      assertTrue(session.on(new FtEvent.Tick(), now * MS).contains(new FtAction.Claim()));
      told += says(unknown(session, "no route", now)) ? 1 : 0;
    }
    assertEquals(1, told, "of 98 answers in 20 s");
    session.on(new FtEvent.Tick(), 21_000 * MS);
    assertTrue(says(unknown(session, "timed out", 21_000)));
  }

  @Test
  void userMayStopItWhenTheDiskHasNoAnswer() {
    FtSession session = asks();
    unknown(session, "no route", 200);
    List<FtAction> actions = session.on(new FtEvent.Detach(), 300 * MS);
    // What was asked may have taken effect: the disk is not given back.
    assertEquals(FtState.HALTED, session.state());
    assertTrue(actions.contains(new FtAction.EndLog(false)), actions.toString());
    assertTrue(actions.contains(new FtAction.Gate(GateMode.DEAD)), actions.toString());
    session.on(new FtEvent.Ruled(new Arbiter.Ruling(Verdict.WON, "late")), 400 * MS);
    assertEquals(FtState.HALTED, session.state());
  }

  @Test
  void userWhoStopsItBeforeTheAnswerGetsWhatTheDiskSays() {
    FtSession silent = asks();
    silent.on(new FtEvent.Detach(), 150 * MS);
    assertEquals(FtState.CLAIMING, silent.state());
    unknown(silent, "no route", 200);
    assertEquals(FtState.HALTED, silent.state());
    FtSession wins = asks();
    wins.on(new FtEvent.Detach(), 150 * MS);
    wins.on(new FtEvent.Ruled(new Arbiter.Ruling(Verdict.WON, "test")), 200 * MS);
    assertEquals(FtState.TAKING_OVER, wins.state(), "nobody else may go on");
  }
}
