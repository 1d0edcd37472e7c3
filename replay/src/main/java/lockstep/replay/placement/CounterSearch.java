package lockstep.replay.placement;

import lockstep.monitor.input.VcpuPosition;
import lockstep.replay.log.ExecutionPoint;
import lockstep.sys.SysException;

/**
 * Brings a vCPU to a point that a counter named: runs until the counter stops it a skid margin
 * before, then steps until count and registers match. Knows no log and no machine; asked at every
 * stop, answers with the next move.
 *
 * <p>A point that was missed is never taken for found: the count only grows, so {@link Move#MISSED}
 * is final.
 */
public final class CounterSearch {
  /**
   * Steps without a new count, at most: bounds a loop that has no counted instruction. The longest
   * that is no such loop is one string instruction, a step an iteration.
   */
  static final int MAX_STEPS_PER_COUNT = 1 << 24;

  private final InstructionCounter counter;
  private final CounterPoints points = new CounterPoints();

  private ExecutionPoint.Counter target = new ExecutionPoint.Counter(0, 0, 0, 0, 0);
  private boolean searching;

  /** What the count was when the counter was last started. */
  private long base;

  private long lastCount;
  private int stepsSinceCount;
  private String missed = "";

  /** Searches with this counter. */
  public CounterSearch(InstructionCounter counter) {
    this.counter = counter;
  }

  /** What to do next. */
  public enum Move {
    /** Enter the guest; the counter stops it. */
    RUN,
    /** One instruction. */
    STEP,
    /** The vCPU stands at the point. */
    FOUND,
    /** The point cannot be found any more; {@link #missed} says why. */
    MISSED
  }

  /**
   * Starts a search, at a place whose count is known.
   *
   * @param point where to go
   * @param count the count here: 0 right after the exit
   */
  public void begin(ExecutionPoint.Counter point, long count) throws SysException {
    target = point;
    base = count;
    lastCount = count;
    stepsSinceCount = 0;
    searching = true;
    if (counter.missing().isEmpty()) {
      counter.start();
    }
  }

  /** Whether a search for this point has begun and is not over. */
  public boolean isFor(ExecutionPoint.Counter point) {
    return searching && target.equals(point);
  }

  /** Ends a search from outside, because the guest made another exit first. */
  public void giveUp() {
    searching = false;
  }

  /** The next move, from where the vCPU stands. */
  public Move look(VcpuPosition position) throws SysException {
    if (counter.missing().isPresent()) {
      return miss("no search for it: " + counter.missing().get());
    }
    long read = counter.read();
    if (read == InstructionCounter.INEXACT) {
      return miss("a counter that lost counts on the way to it");
    }
    long count = base + read;
    if (count > target.count()) {
      return miss("a stop past it, at count " + count);
    }
    if (count == target.count() && points.registersAre(target, position)) {
      searching = false;
      return Move.FOUND;
    }
    long ahead = target.count() - count - counter.skidMargin();
    if (ahead > 0) {
      base = count;
      counter.startAndStopAfter(ahead);
      return Move.RUN;
    }
    if (count != lastCount) {
      lastCount = count;
      stepsSinceCount = 0;
    } else if (stepsSinceCount++ >= MAX_STEPS_PER_COUNT) {
      return miss("%d steps at count %d without it".formatted(MAX_STEPS_PER_COUNT, count));
    }
    return Move.STEP;
  }

  private Move miss(String why) {
    searching = false;
    missed = why;
    return Move.MISSED;
  }

  /** What there was instead of the point, after a MISSED. */
  public String missed() {
    return missed;
  }
}
