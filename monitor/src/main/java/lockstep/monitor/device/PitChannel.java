package lockstep.monitor.device;

/**
 * One counter of the 8254, a function of tick numbers; {@link Pit} has the clock. Source: Intel
 * 82C54 datasheet 231244, "Mode Definitions" and "Programming the 82C54".
 *
 * <p>One simplification: a count written while mode 3 runs is loaded at the end of the whole
 * period; the chip loads it at the end of the half.
 */
final class PitChannel {
  private static final long AT_TRIGGER = Long.MAX_VALUE;
  private static final int STATUS_OUT = 0x80;
  private static final int STATUS_NULL = 0x40;

  private int mode;
  private boolean bcd;
  private int access = 3;
  private int reload = 0x10000;
  private boolean programmed;
  private boolean loaded;
  private boolean gate;
  private boolean running;
  private boolean finished;
  private long startTick;
  private long heldTicks;
  private int nextReload;
  private long nextTick;
  private boolean lowWritten;
  private int low;
  private boolean readHighNext;
  private boolean countLatched;
  private int latchedCount;
  private boolean statusLatched;
  private int latchedStatus;

  PitChannel(boolean gate) {
    this.gate = gate;
  }

  private boolean periodic() {
    return mode == 2 || mode == 3;
  }

  private boolean triggered() {
    return mode == 1 || mode == 5;
  }

  /** The counter's value changes with time. */
  boolean countNeedsClock() {
    return running;
  }

  /** OUT changes with time. */
  boolean outNeedsClock() {
    return running && !finished;
  }

  /** A control word: the counter stops until a count is written. */
  void control(int newAccess, int newMode, boolean newBcd) {
    programmed = true;
    access = newAccess;
    // Modes 6 and 7 are 2 and 3: the datasheet leaves the upper mode bit open there.
    mode = newMode > 5 ? newMode - 4 : newMode;
    bcd = newBcd;
    loaded = false;
    running = false;
    finished = false;
    heldTicks = 0;
    reload = modulus();
    nextReload = 0;
    lowWritten = false;
    readHighNext = false;
    countLatched = false;
    statusLatched = false;
  }

  private int modulus() {
    return bcd ? 10_000 : 0x10000;
  }

  /** A byte completes a count: the caller must read the clock for {@link #writeByte}. */
  boolean writeLoads() {
    return access != 3 || lowWritten;
  }

  /** A byte written to the counter; {@code now} matters only where {@link #writeLoads}. */
  void writeByte(int octet, long now) {
    switch (access) {
      case 1 -> writeCount(octet, now);
      case 2 -> writeCount(octet << 8, now);
      default -> {
        if (lowWritten) {
          lowWritten = false;
          writeCount(low | (octet << 8), now);
        } else {
          low = octet;
          lowWritten = true;
          if (mode == 0) {
            // Mode 0: the first byte stops the count and takes OUT low.
            loaded = false;
            running = false;
            finished = false;
            heldTicks = 0;
          }
        }
      }
    }
  }

  private void writeCount(int written, long now) {
    int count = bcd ? fromBcd(written) : written;
    if (count == 0) {
      count = modulus();
    }
    if (periodic() && count == 1) {
      // Not allowed by the datasheet; two is the shortest period.
      count = 2;
    }
    settle(now);
    if (triggered()) {
      nextReload = count;
      nextTick = AT_TRIGGER;
      loaded = true;
    } else if (periodic() && running) {
      nextReload = count;
      long elapsed = elapsed(now);
      nextTick = now < startTick ? startTick : now + (reload - elapsed % reload);
      if (now < startTick) {
        settle(nextTick);
      }
    } else {
      reload = count;
      loaded = true;
      finished = false;
      heldTicks = 0;
      running = gate;
      startTick = now + 1;
    }
  }

  /** Nibbles above nine count as they stand, so any bytes give a count. */
  private static int fromBcd(int value) {
    int count =
        (value & 15)
            + 10 * ((value >>> 4) & 15)
            + 100 * ((value >>> 8) & 15)
            + 1000 * ((value >>> 12) & 15);
    return count % 10_000;
  }

  private static int toBcd(int value) {
    return value % 10
        | (value / 10 % 10) << 4
        | (value / 100 % 10) << 8
        | (value / 1000 % 10) << 12;
  }

  /** Brings what happened up to {@code now} into the fields. */
  void settle(long now) {
    if (!running) {
      return;
    }
    if (nextReload != 0 && nextTick <= now) {
      startTick = nextTick;
      reload = nextReload;
      nextReload = 0;
    }
    if (!periodic() && elapsed(now) > reload) {
      finished = true;
    }
  }

  private long elapsed(long now) {
    return running ? Math.max(0, now - startTick) : heldTicks;
  }

  /** The tick before which the period in use is replaced by another, or Long.MAX_VALUE. */
  long changeTick() {
    return running && nextReload != 0 ? nextTick : Long.MAX_VALUE;
  }

  /** Sets the GATE pin; {@code now} matters where {@link #gateNeedsClock}. */
  void setGate(boolean high, long now) {
    if (gate == high) {
      return;
    }
    settle(now);
    if (!high) {
      if (running && !triggered()) {
        heldTicks = periodic() ? 0 : elapsed(now);
        running = false;
        applyWaiting();
      }
    } else if (loaded) {
      if (triggered() || periodic()) {
        applyWaiting();
        heldTicks = 0;
        startTick = now + 1;
        finished = false;
      } else {
        startTick = Math.max(0, now - heldTicks);
      }
      running = true;
    }
    gate = high;
  }

  private void applyWaiting() {
    if (nextReload != 0) {
      reload = nextReload;
      nextReload = 0;
    }
  }

  boolean gateNeedsClock(boolean high) {
    return gate != high && loaded;
  }

  boolean gate() {
    return gate;
  }

  /** The OUT pin. */
  boolean out(long now) {
    settle(now);
    if (!loaded) {
      return mode != 0;
    }
    if (finished) {
      return true;
    }
    long elapsed = elapsed(now);
    return switch (mode) {
      case 0 -> elapsed >= reload;
      case 1 -> !running || elapsed >= reload || now < startTick;
      case 2 -> elapsed % reload != reload - 1;
      case 3 -> elapsed % reload < (reload + 1) / 2;
      default -> elapsed != reload;
    };
  }

  /** The first tick after {@code tick} at which OUT rises; Long.MAX_VALUE = not again. */
  long nextRise(long tick) {
    if (!running) {
      return Long.MAX_VALUE;
    }
    if (periodic()) {
      long periods = tick < startTick ? 1 : (tick - startTick) / reload + 1;
      return startTick + periods * reload;
    }
    long rise = startTick + reload + (mode >= 4 ? 1 : 0);
    return rise > tick ? rise : Long.MAX_VALUE;
  }

  /** How often OUT rises in ({@code after}, {@code through}], within one setting of the period. */
  long rises(long after, long through) {
    long first = nextRise(after);
    if (first > through) {
      return 0;
    }
    return periodic() ? (through - first) / reload + 1 : 1;
  }

  private int count(long now) {
    settle(now);
    long elapsed = elapsed(now);
    long value =
        switch (mode) {
          case 2 -> reload - elapsed % reload;
          case 3 -> squareWaveCount((int) (elapsed % reload));
          default -> Math.floorMod(reload - elapsed, (long) modulus());
        };
    int count = (int) (value % modulus());
    return bcd ? toBcd(count) : count;
  }

  private int squareWaveCount(int position) {
    int even = reload & ~1;
    int high = (reload + 1) / 2;
    return even - 2 * (position < high ? position : position - high);
  }

  void latchCount(long now) {
    if (!countLatched) {
      latchedCount = count(now);
      countLatched = true;
    }
  }

  void latchStatus(long now) {
    if (!statusLatched) {
      boolean out = out(now);
      // The datasheet leaves the state after power-on open. A PC's firmware has loaded every
      // counter by the time a kernel runs, and Linux waits for that when it looks for entropy.
      boolean empty = (programmed && !loaded) || nextReload != 0 || (running && now < startTick);
      latchedStatus =
          (out ? STATUS_OUT : 0)
              | (empty ? STATUS_NULL : 0)
              | access << 4
              | mode << 1
              | (bcd ? 1 : 0);
      statusLatched = true;
    }
  }

  /** The next read shows the running counter: the caller must read the clock. */
  boolean readNeedsClock() {
    return !statusLatched && !countLatched && running;
  }

  int readByte(long now) {
    if (statusLatched) {
      statusLatched = false;
      return latchedStatus;
    }
    int value = countLatched ? latchedCount : count(now);
    boolean high = access == 2 || (access == 3 && readHighNext);
    if (access == 3) {
      readHighNext = !readHighNext;
    }
    if (countLatched && (access != 3 || high)) {
      countLatched = false;
    }
    return high ? value >>> 8 : value & 0xff;
  }

  PitChannelState save() {
    return new PitChannelState(
        programmed,
        mode,
        bcd,
        access,
        reload,
        loaded,
        gate,
        running,
        finished,
        startTick,
        heldTicks,
        nextReload,
        nextTick,
        lowWritten,
        low,
        readHighNext,
        countLatched,
        latchedCount,
        statusLatched,
        latchedStatus);
  }

  void restore(PitChannelState state) {
    programmed = state.programmed();
    mode = state.mode();
    bcd = state.bcd();
    access = state.access();
    reload = state.reload();
    loaded = state.loaded();
    gate = state.gate();
    running = state.running();
    finished = state.finished();
    startTick = state.startTick();
    heldTicks = state.heldTicks();
    nextReload = state.nextReload();
    nextTick = state.nextTick();
    lowWritten = state.lowWritten();
    low = state.low();
    readHighNext = state.readHighNext();
    countLatched = state.countLatched();
    latchedCount = state.latchedCount();
    statusLatched = state.statusLatched();
    latchedStatus = state.latchedStatus();
  }

  void reset(boolean gateHigh) {
    restore(new PitChannel(gateHigh).save());
  }
}
