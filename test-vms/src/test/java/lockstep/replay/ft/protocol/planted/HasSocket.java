package lockstep.replay.ft.protocol.planted;

import java.net.Socket;

/** A protocol with a connection of its own. */
public final class HasSocket {
  private HasSocket() {}

  static Class<?> connection() {
    return Socket.class;
  }
}
