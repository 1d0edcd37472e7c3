package lockstep.cli.planted;

import io.netty.planted.EventLoopStandIn;

/** A command with an event loop. */
public final class ServesWithNetty {
  private ServesWithNetty() {}

  static Object loop() {
    return new EventLoopStandIn();
  }
}
