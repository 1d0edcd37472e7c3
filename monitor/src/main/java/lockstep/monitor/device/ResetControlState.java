package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/** The reset control register, bits 3 and 1. */
public record ResetControlState(int value) implements DeviceState {
  /** Checks the range. */
  public ResetControlState {
    if ((value & ~0x0a) != 0) {
      throw new IllegalArgumentException("reset control: value " + value + " sets other bits");
    }
  }
}
