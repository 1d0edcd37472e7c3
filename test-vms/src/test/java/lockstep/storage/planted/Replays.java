package lockstep.storage.planted;

import lockstep.replay.ft.protocol.FtSession;

/** A backend that knows more of a pair than its port. */
public final class Replays {
  private Replays() {}

  static Class<?> session() {
    return FtSession.class;
  }
}
