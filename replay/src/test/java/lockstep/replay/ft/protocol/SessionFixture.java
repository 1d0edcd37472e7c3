package lockstep.replay.ft.protocol;

import java.util.List;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.LogHeader;

/** Sessions in the states that tests start from; time begins at 0. */
public final class SessionFixture {
  public static final String VM = "00112233445566778899aabbccddeeff";
  static final long MS = 1_000_000;
  static final FtTimes TIMES = FtTimes.of(500);

  private SessionFixture() {}

  /** A primary that forms a pair; its log has begun. */
  static FtSession pairing() {
    FtSession session = FtSession.primary("web", VM, TIMES);
    session.on(new FtEvent.Connected(), 0);
    session.on(new FtEvent.Message(new PeerMessage.Welcome(1)), 1);
    session.on(new FtEvent.LogBegan(), 2);
    return session;
  }

  /** A primary that is protected. */
  static FtSession protectedPrimary() {
    FtSession session = pairing();
    session.on(new FtEvent.Message(new PeerMessage.Ready()), 3);
    return expect(session, FtState.PROTECTED);
  }

  public static PeerMessage.Hello hello(long epoch) {
    Bytes key = Bytes.copyOf(new byte[PeerMessage.KEY_BYTES]);
    return new PeerMessage.Hello(
        PeerMessage.VERSION, LogHeader.VERSION, "web", VM, epoch, key, 7, TIMES.silenceMillis());
  }

  /** A backup in the making, of epoch 1; it has not said Ready. */
  static FtSession receiving() {
    FtSession session = FtSession.backup(TIMES);
    session.on(new FtEvent.Message(hello(1)), 0);
    return expect(session, FtState.RECEIVING);
  }

  /** A backup that follows. */
  static FtSession following() {
    FtSession session = receiving();
    session.on(new FtEvent.Restored(), 1);
    session.on(new FtEvent.Message(new PeerMessage.Begin(0)), 2);
    return expect(session, FtState.FOLLOWING);
  }

  static FtSession expect(FtSession session, FtState state) {
    if (session.state() != state) {
      throw new AssertionError("the session is %s, not %s".formatted(session.state(), state));
    }
    return session;
  }

  static boolean says(List<FtAction> actions, String part) {
    return actions.stream()
        .anyMatch(action -> action instanceof FtAction.Note note && note.text().contains(part));
  }

  static boolean sends(List<FtAction> actions, PeerMessage.Leaving why) {
    return actions.stream()
        .anyMatch(
            action ->
                action instanceof FtAction.Send send
                    && send.message() instanceof PeerMessage.Bye bye
                    && bye.why() == why);
  }
}
