package lockstep.monitor.device;

import lockstep.monitor.bus.InterruptLine;
import lockstep.monitor.bus.PortHandler;
import lockstep.monitor.input.GuestClock;
import lockstep.monitor.input.TimerPort;

/**
 * The 8254 interval timer: three counters at 1.193182 MHz, computed from the guest clock. Counter 0
 * drives interrupt line 0; the gate and output of counter 2 belong to port 61h.
 *
 * <p>Late hosts. A guest that counts time in ticks loses time with every tick it does not see, so
 * ticks that passed unseen are owed: after each acknowledged tick the next owed one is shown at
 * once. At most {@link #MAX_OWED_TICKS} are owed; beyond that the guest's time falls behind, as
 * bursts without a bound would keep a slow guest from any other work. Owed ticks are forgotten when
 * the guest sets counter 0 to another mode.
 *
 * <p>Every clock reading is a logged input, so the clock is read only where the answer depends on
 * it. Source: Intel 82C54 datasheet 231244.
 */
public final class Pit implements Device<PitState>, PortHandler {
  /** Two seconds at 250 Hz: longer pauses than that stop the guest clock, too. */
  public static final int MAX_OWED_TICKS = 500;

  /** How many ports the device takes. */
  public static final int PORTS = 4;

  /**
   * The timer never expires more often than this: a count of 2 would ask for 600,000 inputs a
   * second. KVM's own PIT limits itself the same way (min_timer_period_us, 200).
   */
  static final long MIN_EXPIRY_NANOS = 100_000;

  private final GuestClock clock;
  private final TimerPort timer;
  private final InterruptLine line;
  private final PitChannel[] channels = {
    new PitChannel(true), new PitChannel(true), new PitChannel(false)
  };
  private long countedThroughTick;
  private int owedTicks;
  private boolean awaiting;
  private boolean lineHigh;
  private long deadlineNanos = TimerPort.NEVER;

  /** A timer as after power-on, not counting. */
  public Pit(GuestClock clock, TimerPort timer, InterruptLine line) {
    this.clock = clock;
    this.timer = timer;
    this.line = line;
  }

  @Override
  public int read(int offset, int sizeBytes) {
    if (offset == 3) {
      return 0xff; // The control word register cannot be read; the bus floats.
    }
    PitChannel channel = channels[offset];
    return channel.readByte(channel.readNeedsClock() ? nowTicks() : 0);
  }

  @Override
  public void write(int offset, int sizeBytes, int value) {
    if (offset == 3) {
      writeControl(value & 0xff);
      return;
    }
    PitChannel channel = channels[offset];
    if (!channel.writeLoads()) {
      channel.writeByte(value & 0xff, 0);
      if (offset == 0) {
        rearm(0);
      }
      return;
    }
    long nowNanos = clock.nowNanos();
    long now = PitTime.ticksAt(nowNanos);
    if (offset == 0) {
      account(now);
      if (owedTicks > 0 && !awaiting) {
        showTick(); // The edge came before the write, only its expiry did not.
      }
    }
    channel.writeByte(value & 0xff, now);
    if (offset == 0) {
      rearm(nowNanos);
    }
  }

  private long nowTicks() {
    return PitTime.ticksAt(clock.nowNanos());
  }

  private void writeControl(int value) {
    int select = value >>> 6;
    if (select == 3) {
      readBack(value);
      return;
    }
    PitChannel channel = channels[select];
    int access = (value >>> 4) & 3;
    if (access == 0) {
      channel.latchCount(channel.countNeedsClock() ? nowTicks() : 0);
      return;
    }
    channel.control(access, (value >>> 1) & 7, (value & 1) != 0);
    if (select == 0) {
      owedTicks = 0;
      awaiting = false;
      setLine(false);
      rearm(0);
    }
  }

  /** The read-back command: bit 5 low latches counts, bit 4 low latches status. */
  private void readBack(int value) {
    boolean counts = (value & 0x20) == 0;
    boolean status = (value & 0x10) == 0;
    boolean needsClock = false;
    for (int i = 0; i < channels.length; i++) {
      needsClock |= (value & (2 << i)) != 0 && channels[i].countNeedsClock();
    }
    // One reading: the command latches the counters at the same moment.
    long now = needsClock && (counts || status) ? nowTicks() : 0;
    for (int i = 0; i < channels.length; i++) {
      if ((value & (2 << i)) != 0) {
        if (counts) {
          channels[i].latchCount(now);
        }
        if (status) {
          channels[i].latchStatus(now);
        }
      }
    }
  }

  /** The gate of counter 2, port 61h bit 0. */
  public void setGate2(boolean high) {
    PitChannel channel = channels[2];
    channel.setGate(high, channel.gateNeedsClock(high) ? nowTicks() : 0);
  }

  /** The gate of counter 2. */
  public boolean gate2() {
    return channels[2].gate();
  }

  /** The output of counter 2, port 61h bit 5. */
  public boolean out2() {
    PitChannel channel = channels[2];
    return channel.out(channel.outNeedsClock() ? nowTicks() : 0);
  }

  /**
   * The timer expired.
   *
   * @param nowNanos the guest clock when it was seen to expire
   */
  public void expired(long nowNanos) {
    account(PitTime.ticksAt(nowNanos));
    if (owedTicks > 0) {
      showTick();
    }
    rearm(nowNanos);
  }

  /** The CPU took a tick: the next owed one follows at once. */
  public void acknowledged() {
    awaiting = false;
    if (owedTicks > 0) {
      showTick();
    }
  }

  /** Adds the rising edges of OUT 0 up to {@code now} to what is owed. */
  private void account(long now) {
    PitChannel channel = channels[0];
    long owed = owedTicks;
    if (now > countedThroughTick) {
      long change = channel.changeTick();
      if (change <= now) {
        owed += channel.rises(countedThroughTick, change);
        countedThroughTick = Math.max(countedThroughTick, change);
      }
      channel.settle(now);
      owed += channel.rises(countedThroughTick, now);
      countedThroughTick = now;
    }
    owedTicks = (int) Math.min(MAX_OWED_TICKS, owed);
  }

  /**
   * A rising edge on line 0. When the one before is still not taken this repeats it (the controller
   * may have forgotten it: ICW1 does that) and the tick stays owed.
   */
  private void showTick() {
    if (!awaiting) {
      owedTicks--;
      awaiting = true;
    }
    setLine(false);
    setLine(true);
  }

  private void setLine(boolean high) {
    lineHigh = high;
    line.set(high);
  }

  private void rearm(long nowNanos) {
    PitChannel channel = channels[0];
    long rise = channel.nextRise(countedThroughTick);
    long nanos = rise == Long.MAX_VALUE ? TimerPort.NEVER : PitTime.nanosAt(rise);
    if (nanos != TimerPort.NEVER) {
      nanos = Math.max(nanos, nowNanos + MIN_EXPIRY_NANOS);
    }
    deadlineNanos = nanos;
    timer.arm(nanos); // Even where nothing changed: an expiry has switched the timer off.
  }

  @Override
  public PitState save() {
    return new PitState(
        channels[0].save(),
        channels[1].save(),
        channels[2].save(),
        countedThroughTick,
        owedTicks,
        awaiting,
        lineHigh,
        deadlineNanos);
  }

  @Override
  public void restore(PitState state) {
    channels[0].restore(state.channel0());
    channels[1].restore(state.channel1());
    channels[2].restore(state.channel2());
    countedThroughTick = state.countedThroughTick();
    owedTicks = state.owedTicks();
    awaiting = state.awaiting();
    deadlineNanos = state.deadlineNanos();
    setLine(state.lineHigh());
    timer.arm(deadlineNanos);
  }

  @Override
  public Class<PitState> stateType() {
    return PitState.class;
  }

  @Override
  public void reset() {
    channels[0].reset(true);
    channels[1].reset(true);
    channels[2].reset(false);
    countedThroughTick = 0;
    owedTicks = 0;
    awaiting = false;
    setLine(false);
    deadlineNanos = TimerPort.NEVER;
    timer.arm(deadlineNanos);
  }
}
