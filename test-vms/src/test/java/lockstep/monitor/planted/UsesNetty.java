package lockstep.monitor.planted;

import io.netty.planted.EventLoopStandIn;

/** Netty outside the channel. */
public final class UsesNetty {
  private UsesNetty() {}

  static Object loop() {
    return new EventLoopStandIn();
  }
}
