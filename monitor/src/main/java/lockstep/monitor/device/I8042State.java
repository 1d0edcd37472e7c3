package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/**
 * The keyboard controller.
 *
 * @param command the command byte, 0..255
 * @param pendingCommand the command that waits for its data byte, 0 = none
 * @param full a byte waits in the output buffer
 * @param output that byte
 * @param systemFlag status bit 2: the self test passed
 * @param a20 the A20 gate is open
 */
public record I8042State(
    int command, int pendingCommand, boolean full, int output, boolean systemFlag, boolean a20)
    implements DeviceState {
  /** Checks every range. */
  public I8042State {
    if (((command | pendingCommand | output) & ~0xff) != 0) {
      throw new IllegalArgumentException(
          "i8042: command "
              + command
              + ", pendingCommand "
              + pendingCommand
              + ", output "
              + output
              + ", not all 0..255");
    }
  }
}
