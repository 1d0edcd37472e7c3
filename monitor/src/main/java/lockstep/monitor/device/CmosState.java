package lockstep.monitor.device;

import lockstep.monitor.input.TimerPort;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.DeviceState;

/**
 * The CMOS clock.
 *
 * @param index the register that port 0x71 accesses, 0..127
 * @param registers all 128 bytes; of the calendar what was shown last, or what the guest is setting
 * @param flags register C without its summary bit
 * @param secondsOffset what the calendar shows when the divider's second number is 0, seconds since
 *     1970-01-01 UTC
 * @param phaseNanos added to the guest clock gives the divider, 0..999,999,999
 * @param accountedNanos the guest clock up to which the flags are right
 * @param deadlineNanos the timer's, or {@link TimerPort#NEVER}
 */
public record CmosState(
    int index,
    Bytes registers,
    int flags,
    long secondsOffset,
    long phaseNanos,
    long accountedNanos,
    long deadlineNanos)
    implements DeviceState {
  /** Beyond every date that 8-bit registers can name, far from where nanoseconds overflow. */
  private static final long MAX_OFFSET_SECONDS = 1_000_000_000_000L;

  /** Checks every range. */
  public CmosState {
    check("index", index, 0, CmosRtc.REGISTERS - 1);
    check("register count", registers.size(), CmosRtc.REGISTERS, CmosRtc.REGISTERS);
    check("secondsOffset", secondsOffset, -MAX_OFFSET_SECONDS, MAX_OFFSET_SECONDS);
    check("phaseNanos", phaseNanos, 0, CmosRtc.NANOS_PER_SECOND - 1);
    check("accountedNanos", accountedNanos, 0, TimerPort.NEVER - CmosRtc.NANOS_PER_SECOND);
    check("deadlineNanos", deadlineNanos, 0, TimerPort.NEVER);
    if ((flags & ~CmosRtc.FLAGS) != 0) {
      throw new IllegalArgumentException("cmos: flags " + flags + " sets other bits");
    }
  }

  private static void check(String what, long value, long min, long max) {
    if (value < min || value > max) {
      throw new IllegalArgumentException(
          "cmos: " + what + " " + value + ", not " + min + ".." + max);
    }
  }
}
