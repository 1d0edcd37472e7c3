package lockstep.monitor.planted.child;

import lockstep.monitor.planted.SeesChild;

/** The other half, by a constant alone. */
public final class SeesParent {
  private SeesParent() {}

  static int parent() {
    return SeesChild.CONSTANT;
  }
}
