package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/**
 * Port 61h.
 *
 * @param control the writable bits 3..0; bit 0 (the gate) is the timer's
 * @param refresh the refresh toggle the next read shows, bit 4
 */
public record SystemControlState(int control, boolean refresh) implements DeviceState {
  /** Checks the range. */
  public SystemControlState {
    if ((control & ~0x0e) != 0) {
      throw new IllegalArgumentException(
          "port 61h: control " + control + " has bits other than 3..1");
    }
  }
}
