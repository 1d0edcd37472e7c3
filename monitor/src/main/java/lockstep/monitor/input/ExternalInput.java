package lockstep.monitor.input;

import lockstep.monitor.state.Bytes;

/**
 * A placed input: applied to a device on the vCPU thread at an execution point. Polled inputs
 * (clock readings) are not here: they are answered while a guest exit is handled.
 */
public sealed interface ExternalInput {
  /**
   * A device timer reached its deadline.
   *
   * @param timer which timer, a {@code MachineLayout} timer number
   * @param nowNanos the guest clock when it was seen to expire, at or after the deadline
   */
  record TimerExpiry(int timer, long nowNanos) implements ExternalInput {}

  /**
   * Bytes typed at the guest's console.
   *
   * @param content at most {@link #MAX_CONSOLE_BYTES}
   */
  record ConsoleBytes(Bytes content) implements ExternalInput {
    /** What one input carries at most: a typed line, and far below the 64 KiB of a log entry. */
    public static final int MAX_CONSOLE_BYTES = 4096;
  }

  /** The monitor's decision about the guest's life. */
  record HostDecision(Decision decision) implements ExternalInput {}

  /** What a host can decide. */
  enum Decision {
    /** Stop the guest now, in order, as if the power were cut. */
    STOP,
    /** Reset the machine to its boot state. */
    RESET
  }
}
