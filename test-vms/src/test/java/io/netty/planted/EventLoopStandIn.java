package io.netty.planted;

/** Stands for a class of Netty, which is not on this class path. */
public final class EventLoopStandIn {
  /** Makes one. */
  public EventLoopStandIn() {}
}
