package lockstep.replay.log;

import lockstep.monitor.state.Bytes;

/**
 * Where in the guest's instruction stream an input belongs (DESIGN: placement). Every point starts
 * from a guest exit: {@code exits} counts the exits handled since the machine's first start, and
 * the exit's instruction has been completed.
 */
public sealed interface ExecutionPoint {
  /** Guest exits handled before this point, 0 = before the first instruction. */
  long exits();

  /** Placement at-exit: right after the exit. */
  record AtExit(long exits) implements ExecutionPoint {
    /** Checks the range. */
    public AtExit {
      checkExits(exits);
    }
  }

  /**
   * Placement step: {@code steps} instructions single-stepped from the exit.
   *
   * @param steps 1 to {@link #MAX_STEPS}
   */
  record Step(long exits, int steps) implements ExecutionPoint {
    /** A recorder gives up stepping long before; bounds what a damaged log can ask for. */
    public static final int MAX_STEPS = 1 << 20;

    /** Checks the ranges. */
    public Step {
      checkExits(exits);
      if (steps < 1 || steps > MAX_STEPS) {
        throw new IllegalArgumentException("steps " + steps + " not in 1.." + MAX_STEPS);
      }
    }
  }

  /**
   * Placement counter: {@code count} counted instructions after the exit, where RIP, RCX and the
   * other registers are these.
   *
   * @param count retired conditional branches (or instructions) since the exit, or since the last
   *     state-sync after it; at least 0
   * @param rip the instruction to stop before
   * @param rcx tells the iterations of a REP instruction apart
   * @param registerDigest of all general registers and RFLAGS, see {@code CounterPoints}
   */
  record Counter(long exits, long count, long rip, long rcx, long registerDigest)
      implements ExecutionPoint {
    /** Checks the ranges. */
    public Counter {
      checkExits(exits);
      if (count < 0) {
        throw new IllegalArgumentException("count " + count);
      }
    }
  }

  /**
   * Placement state-sync: from the exit the machine jumps to this CPU state and to the pages of the
   * {@link LogEntry.Pages} right before this entry: those written since the last sync, or since the
   * log's start.
   *
   * @param cpuState {@code VcpuState.encode()}
   * @param pages how many pages these are in all
   */
  record StateSync(long exits, Bytes cpuState, long pages) implements ExecutionPoint {
    /** Checks the ranges. */
    public StateSync {
      checkExits(exits);
      if (pages < 0) {
        throw new IllegalArgumentException("pages " + pages);
      }
    }
  }

  private static void checkExits(long exits) {
    if (exits < 0) {
      throw new IllegalArgumentException("exits " + exits);
    }
  }
}
