package lockstep.replay.planted.one;

import lockstep.replay.planted.other.Other;

/** Half of a cycle. */
public final class One {
  private One() {}

  /** The other half. */
  public static Class<?> other() {
    return Other.class;
  }
}
