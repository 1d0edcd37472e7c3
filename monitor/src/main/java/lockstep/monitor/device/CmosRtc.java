package lockstep.monitor.device;

import lockstep.monitor.bus.InterruptLine;
import lockstep.monitor.bus.PortHandler;
import lockstep.monitor.input.GuestClock;
import lockstep.monitor.input.TimerPort;
import lockstep.monitor.state.Bytes;

/**
 * The real-time clock and its battery-backed RAM: an MC146818 with a century byte at 0x32, at two
 * ports (index, data). The calendar is the guest clock plus an offset; nothing ticks.
 *
 * <p>Every clock reading is a logged input: only the calendar, register A (UIP) and register C cost
 * one, and the calendar and UIP only while updates run. Interrupt flags are worked out when
 * somebody looks; the timer runs only while an interrupt is enabled and the line is low, so the
 * guest's own acknowledgement (reading register C) bounds the rate.
 *
 * <p>Unlike the chip, the day of the week follows from the date, and a change of format (B.DM,
 * B.24/12) while the clock runs shows the same moment in the new format. Source: Motorola MC146818A
 * datasheet (1984).
 */
public final class CmosRtc implements Device<CmosState>, PortHandler {
  /** How many ports the device takes. */
  public static final int PORTS = 2;

  /** How many registers there are, clock and RAM together. */
  public static final int REGISTERS = 128;

  static final long NANOS_PER_SECOND = 1_000_000_000L;

  /** Register C: what can be pending. */
  static final int FLAGS = 0x70;

  /** The last moment that the calendar can show: 9999-12-31 23:59:59 UTC. */
  private static final long MAX_EPOCH_SECONDS = 253_402_300_799L;

  private static final int SECONDS_ALARM = 0x01;
  private static final int MINUTES_ALARM = 0x03;
  private static final int HOURS_ALARM = 0x05;
  private static final int REGISTER_A = 0x0a;
  private static final int REGISTER_B = 0x0b;
  private static final int REGISTER_C = 0x0c;
  private static final int REGISTER_D = 0x0d;

  private static final int A_UPDATING = 0x80;
  private static final int A_DIVIDER_RESET = 0x60;
  private static final int A_RATE = 0x0f;
  private static final int A_POWER_ON = 0x26;
  private static final int B_SET = 0x80;
  private static final int B_ENABLES = 0x70;
  private static final int B_UPDATE = 0x10;
  private static final int B_SQUARE_WAVE = 0x08;
  private static final int B_POWER_ON = 0x02;
  private static final int C_PENDING = 0x80;
  private static final int C_PERIODIC = 0x40;
  private static final int C_ALARM = 0x20;
  private static final int C_UPDATED = 0x10;
  private static final int D_VALID = 0x80;

  /** An alarm register at or above this matches everything. */
  private static final int ANY = 0xc0;

  /** UIP rises this long before an update (datasheet: tBUC). */
  private static final long UPDATE_WARNING_NANOS = 244_000;

  /** The divider's frequency, hertz; periodic rates are powers of two of its period. */
  private static final int DIVIDER_BITS = 15;

  private final GuestClock clock;
  private final TimerPort timer;
  private final InterruptLine line;
  private final byte[] registers = new byte[REGISTERS];
  private int index;
  private int flags;
  private long secondsOffset;
  private long phaseNanos;
  private long accountedNanos;
  private long deadlineNanos = TimerPort.NEVER;

  /**
   * A clock that runs, in BCD and 24 hours.
   *
   * @param epochSeconds what it shows at guest clock 0, seconds since 1970-01-01 UTC
   * @throws IllegalArgumentException when that is not within the years 1970 to 9999
   */
  public CmosRtc(GuestClock clock, TimerPort timer, InterruptLine line, long epochSeconds) {
    if (epochSeconds < 0 || epochSeconds > MAX_EPOCH_SECONDS) {
      throw new IllegalArgumentException(
          "clock set to " + epochSeconds + " seconds since 1970, not 0.." + MAX_EPOCH_SECONDS);
    }
    this.clock = clock;
    this.timer = timer;
    this.line = line;
    this.secondsOffset = epochSeconds;
    registers[REGISTER_A] = A_POWER_ON;
    registers[REGISTER_B] = B_POWER_ON;
  }

  /**
   * Presets a byte of the battery-backed RAM, as the firmware would have left it. Before the guest
   * runs only.
   *
   * @param register 0x0e..0x7f except the century
   * @throws IllegalArgumentException when the register belongs to the clock
   */
  public void preset(int register, int value) {
    if (register <= REGISTER_D || register >= REGISTERS || register == CmosCalendar.CENTURY) {
      throw new IllegalArgumentException("cmos register " + register + " is not RAM");
    }
    registers[register] = (byte) value;
  }

  @Override
  public int read(int offset, int sizeBytes) {
    if (offset == 0) {
      return 0xff; // The index cannot be read back; the bus floats.
    }
    switch (index) {
      case REGISTER_A -> {
        return registers[REGISTER_A] | (calendarRuns() && updateIsNear() ? A_UPDATING : 0);
      }
      case REGISTER_C -> {
        return readFlags();
      }
      case REGISTER_D -> {
        return D_VALID;
      }
      default -> {
        if (CmosCalendar.isTime(index) && calendarRuns()) {
          showCalendar(clock.nowNanos());
        }
        return registers[index] & 0xff;
      }
    }
  }

  @Override
  public void write(int offset, int sizeBytes, int value) {
    if (offset == 0) {
      index = value & (REGISTERS - 1); // Bit 7 masks NMIs, of which there are none.
      return;
    }
    switch (index) {
      case SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM, REGISTER_A, REGISTER_B ->
          configure(index, value & 0xff);
      case REGISTER_C, REGISTER_D -> {
        // Read only.
      }
      default -> {
        if (CmosCalendar.isTime(index) && calendarRuns()) {
          setWhileRunning(index, value);
        } else {
          registers[index] = (byte) value;
        }
      }
    }
  }

  /** The divider counts. */
  private boolean dividerRuns() {
    return (registers[REGISTER_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
  }

  /** The calendar is updated every second. */
  private boolean calendarRuns() {
    return dividerRuns() && (registers[REGISTER_B] & B_SET) == 0;
  }

  private boolean updateIsNear() {
    long fraction = Math.floorMod(clock.nowNanos() + phaseNanos, NANOS_PER_SECOND);
    return fraction >= NANOS_PER_SECOND - UPDATE_WARNING_NANOS;
  }

  /** The divider's second number. */
  private long second(long nowNanos) {
    return Math.floorDiv(nowNanos + phaseNanos, NANOS_PER_SECOND);
  }

  private void showCalendar(long nowNanos) {
    CmosCalendar.show(secondsOffset + second(nowNanos), registers[REGISTER_B], registers);
  }

  /** The calendar goes on from what the registers show. */
  private void takeCalendar(long nowNanos) {
    secondsOffset = CmosCalendar.moment(registers, registers[REGISTER_B]) - second(nowNanos);
  }

  private void setWhileRunning(int register, int value) {
    long now = clock.nowNanos();
    account(now);
    showCalendar(now);
    registers[register] = (byte) value;
    takeCalendar(now);
    arm();
  }

  private int readFlags() {
    if (dividerRuns()) {
      account(clock.nowNanos());
    }
    int value = flags | (pending() ? C_PENDING : 0);
    flags = 0;
    line.set(false);
    arm();
    return value;
  }

  private boolean pending() {
    return (flags & registers[REGISTER_B] & B_ENABLES) != 0;
  }

  /** Writes a register that alarm, rates, enables or the run of the clock depend on. */
  private void configure(int register, int value) {
    long now = clock.nowNanos();
    account(now);
    boolean dividerRan = dividerRuns();
    boolean calendarRan = calendarRuns();
    if (calendarRan) {
      showCalendar(now); // What the guest sees if this write stops the calendar.
    }
    switch (register) {
      case REGISTER_A -> registers[register] = (byte) (value & ~A_UPDATING);
      // SET clears the update interrupt's enable (datasheet: register B, SET).
      case REGISTER_B ->
          registers[register] = (byte) ((value & B_SET) != 0 ? value & ~B_UPDATE : value);
      default -> registers[register] = (byte) value;
    }
    if (!dividerRan && dividerRuns()) {
      // The first update comes half a second after the reset ends (datasheet: register A, DV).
      phaseNanos = Math.floorMod(NANOS_PER_SECOND / 2 - now, NANOS_PER_SECOND);
    }
    if (!calendarRan && calendarRuns()) {
      takeCalendar(now);
    }
    line.set(pending());
    arm();
  }

  /** The timer expired; {@code nowNanos} is the guest clock when it was seen to. */
  public void expired(long nowNanos) {
    account(nowNanos);
    line.set(pending());
    arm();
  }

  /** Sets the flags of what happened until {@code now}. */
  private void account(long now) {
    long from = accountedNanos;
    if (now <= from) {
      return;
    }
    accountedNanos = now;
    if (!dividerRuns()) {
      return;
    }
    int shift = periodShift();
    if (shift >= 0 && dividerTick(now) >> shift != dividerTick(from) >> shift) {
      flags |= C_PERIODIC;
    }
    if (calendarRuns() && second(now) != second(from)) {
      flags |= C_UPDATED;
      if (nextAlarm(secondsOffset + second(from)) <= secondsOffset + second(now)) {
        flags |= C_ALARM;
      }
    }
  }

  /** The periodic interrupt's period is 2^n divider ticks; -1 when it is off. */
  private int periodShift() {
    int rate = registers[REGISTER_A] & A_RATE;
    if (rate == 0) {
      return -1;
    }
    return rate <= 2 ? rate + 6 : rate - 1; // The two rates that a 32 kHz crystal cannot give.
  }

  private long dividerTick(long nowNanos) {
    long fraction = Math.floorMod(nowNanos + phaseNanos, NANOS_PER_SECOND);
    return (second(nowNanos) << DIVIDER_BITS) + (fraction << DIVIDER_BITS) / NANOS_PER_SECOND;
  }

  /** The guest clock when the divider reaches {@code tick}, rounded up. */
  private long nanosAtTick(long tick) {
    long fraction = tick & ((1 << DIVIDER_BITS) - 1);
    long roundUp = (1 << DIVIDER_BITS) - 1;
    return (tick >> DIVIDER_BITS) * NANOS_PER_SECOND
        + ((fraction * NANOS_PER_SECOND + roundUp) >> DIVIDER_BITS)
        - phaseNanos;
  }

  /** The first moment after {@code epochSeconds} that matches the alarm, or no such moment. */
  private long nextAlarm(long epochSeconds) {
    int format = registers[REGISTER_B];
    if (neverMatches(registers[MINUTES_ALARM], format)
        || neverMatches(registers[SECONDS_ALARM], format)) {
      return Long.MAX_VALUE; // Else the search below would try every second of a day.
    }
    long at = epochSeconds + 1;
    while (at <= epochSeconds + CmosCalendar.SECONDS_PER_DAY) {
      int second = Math.floorMod(at, CmosCalendar.SECONDS_PER_DAY);
      byte hours = registers[HOURS_ALARM];
      if (!any(hours) && CmosCalendar.decodeHour(hours, format) != second / 3600) {
        at += 3600 - second % 3600;
      } else if (!matches(registers[MINUTES_ALARM], second / 60 % 60, format)) {
        at += 60 - second % 60;
      } else if (!matches(registers[SECONDS_ALARM], second % 60, format)) {
        at++;
      } else {
        return at;
      }
    }
    return Long.MAX_VALUE;
  }

  private static boolean any(byte alarm) {
    return (alarm & ANY) == ANY;
  }

  private static boolean neverMatches(byte alarm, int format) {
    return !any(alarm) && CmosCalendar.decode(alarm, format) >= 60;
  }

  private static boolean matches(byte alarm, int value, int format) {
    return any(alarm) || CmosCalendar.decode(alarm, format) == value;
  }

  /** Arms the timer for the next enabled interrupt; not while one waits to be acknowledged. */
  private void arm() {
    long next = TimerPort.NEVER;
    int enabled = registers[REGISTER_B] & B_ENABLES;
    if (enabled != 0 && dividerRuns() && !pending()) {
      int shift = periodShift();
      if ((enabled & C_PERIODIC) != 0 && shift >= 0) {
        next = nanosAtTick(((dividerTick(accountedNanos) >> shift) + 1) << shift);
      }
      if (calendarRuns()) {
        long second = second(accountedNanos);
        if ((enabled & C_UPDATED) != 0) {
          next = Math.min(next, (second + 1) * NANOS_PER_SECOND - phaseNanos);
        }
        long alarm = (enabled & C_ALARM) != 0 ? nextAlarm(secondsOffset + second) : Long.MAX_VALUE;
        if (alarm != Long.MAX_VALUE) {
          next = Math.min(next, (alarm - secondsOffset) * NANOS_PER_SECOND - phaseNanos);
        }
      }
    }
    deadlineNanos = next;
    timer.arm(next); // Even where nothing changed: an expiry has switched the timer off.
  }

  @Override
  public CmosState save() {
    return new CmosState(
        index,
        Bytes.copyOf(registers),
        flags,
        secondsOffset,
        phaseNanos,
        accountedNanos,
        deadlineNanos);
  }

  @Override
  public void restore(CmosState state) {
    index = state.index();
    for (int i = 0; i < REGISTERS; i++) {
      registers[i] = (byte) state.registers().at(i);
    }
    flags = state.flags();
    secondsOffset = state.secondsOffset();
    phaseNanos = state.phaseNanos();
    accountedNanos = state.accountedNanos();
    deadlineNanos = state.deadlineNanos();
    line.set(pending());
    timer.arm(deadlineNanos);
  }

  @Override
  public Class<CmosState> stateType() {
    return CmosState.class;
  }

  /** The machine's reset: the battery keeps calendar and RAM; interrupts are off. */
  @Override
  public void reset() {
    index = 0;
    flags = 0;
    registers[REGISTER_B] &= (byte) ~(B_ENABLES | B_SQUARE_WAVE);
    line.set(false);
    arm();
  }
}
