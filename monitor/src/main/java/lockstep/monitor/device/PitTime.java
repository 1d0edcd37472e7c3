package lockstep.monitor.device;

import lockstep.monitor.input.TimerPort;

/**
 * Exact conversion between guest clock nanoseconds and ticks of the 8254's input clock, without
 * drift: whole seconds and the rest are converted apart, so nothing overflows in 292 years.
 */
final class PitTime {
  /** The input clock, as Linux has it (PIT_TICK_RATE, include/linux/timex.h). */
  static final long TICKS_PER_SECOND = 1_193_182;

  private static final long NANOS_PER_SECOND = 1_000_000_000;

  /** Ticks at the end of the guest clock's range, with room for one more full count. */
  static final long MAX_TICKS = (Long.MAX_VALUE / NANOS_PER_SECOND + 2) * TICKS_PER_SECOND;

  private PitTime() {}

  /** Full ticks that have passed at {@code nanos} (not negative). */
  static long ticksAt(long nanos) {
    long seconds = nanos / NANOS_PER_SECOND;
    long rest = nanos % NANOS_PER_SECOND;
    return seconds * TICKS_PER_SECOND + rest * TICKS_PER_SECOND / NANOS_PER_SECOND;
  }

  /** The first nanosecond at which {@code ticks} have passed; NEVER beyond the clock's range. */
  static long nanosAt(long ticks) {
    long seconds = ticks / TICKS_PER_SECOND;
    long rest = ticks % TICKS_PER_SECOND;
    if (seconds >= Long.MAX_VALUE / NANOS_PER_SECOND) {
      return TimerPort.NEVER;
    }
    long restNanos = (rest * NANOS_PER_SECOND + TICKS_PER_SECOND - 1) / TICKS_PER_SECOND;
    return seconds * NANOS_PER_SECOND + restNanos;
  }
}
