package lockstep.kvm.planted;

import lockstep.monitor.Machine;

/** Bindings that import the monitor. */
public final class LooksUp {
  private LooksUp() {}

  static Class<?> upper() {
    return Machine.class;
  }
}
