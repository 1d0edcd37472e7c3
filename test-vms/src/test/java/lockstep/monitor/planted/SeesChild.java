package lockstep.monitor.planted;

import lockstep.monitor.planted.child.SeesParent;

/** Half of a cycle: uses a package that uses this one. */
public final class SeesChild {
  /** Inlined where it is used: the bytecode there does not name this class. */
  public static final int CONSTANT = 1;

  private SeesChild() {}

  static Class<?> child() {
    return SeesParent.class;
  }
}
