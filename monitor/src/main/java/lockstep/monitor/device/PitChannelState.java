package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/**
 * One counter of the 8254. Ticks are periods of 1/1,193,182 s since the guest clock's start.
 *
 * @param programmed a control word was written since power-on
 * @param mode 0..5
 * @param bcd counts in decimal
 * @param access 1 low byte, 2 high byte, 3 low then high
 * @param reload the count in use, 1..65536
 * @param loaded a count was written since the control word
 * @param gate the GATE pin
 * @param running the counter counts
 * @param finished a one-shot count ended: OUT stays as it is without asking the clock
 * @param startTick when running: the tick at which the counter held {@code reload}
 * @param heldTicks when not running: how far the count had come
 * @param nextReload a count waiting for the end of the period or a trigger; 0 = none
 * @param nextTick when the waiting count is loaded; Long.MAX_VALUE = at a trigger
 * @param lowWritten the low byte of a count was written, the high byte is expected
 * @param low that low byte
 * @param readHighNext the next read gives the high byte
 * @param countLatched a count is latched
 * @param latchedCount that count as the guest reads it
 * @param statusLatched a status is latched
 * @param latchedStatus that status byte
 */
public record PitChannelState(
    boolean programmed,
    int mode,
    boolean bcd,
    int access,
    int reload,
    boolean loaded,
    boolean gate,
    boolean running,
    boolean finished,
    long startTick,
    long heldTicks,
    int nextReload,
    long nextTick,
    boolean lowWritten,
    int low,
    boolean readHighNext,
    boolean countLatched,
    int latchedCount,
    boolean statusLatched,
    int latchedStatus)
    implements DeviceState {
  /** Checks every range, so that a counter can be restored from any state that exists. */
  public PitChannelState {
    check("mode", mode, 0, 5);
    check("access", access, 1, 3);
    check("reload", reload, mode == 2 || mode == 3 ? 2 : 1, 0x10000);
    check("startTick", startTick, 0, PitTime.MAX_TICKS);
    check("heldTicks", heldTicks, 0, PitTime.MAX_TICKS);
    check("nextReload", nextReload, 0, 0x10000);
    if (nextTick != Long.MAX_VALUE) {
      check("nextTick", nextTick, 0, PitTime.MAX_TICKS);
    }
    if (nextReload == 1 && (mode == 2 || mode == 3)) {
      throw new IllegalArgumentException("pit: nextReload 1 in mode " + mode);
    }
    check("low", low, 0, 0xff);
    check("latchedCount", latchedCount, 0, 0xffff);
    check("latchedStatus", latchedStatus, 0, 0xff);
  }

  private static void check(String what, long value, long min, long max) {
    if (value < min || value > max) {
      throw new IllegalArgumentException(
          "pit: " + what + " " + value + ", not " + min + ".." + max);
    }
  }
}
