package lockstep.replay.planted.other;

import lockstep.replay.planted.one.One;

/** Half of a cycle. */
public final class Other {
  private Other() {}

  /** The other half. */
  public static Class<?> one() {
    return One.class;
  }
}
