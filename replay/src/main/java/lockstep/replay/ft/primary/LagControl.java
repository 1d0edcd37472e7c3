package lockstep.replay.ft.primary;

import java.util.concurrent.TimeUnit;

/**
 * Keeps a backup from falling far behind (VM-FT, section 3.2): while it is, the primary's vCPU is
 * slowed a few percent at a time, and released the same way as the backup catches up. A backup that
 * is a second behind needs a second longer to go live. Pure; one thread at a time.
 */
final class LagControl {
  /** The bound. */
  static final long BOUND_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final double STEP = 0.05;
  private static final double MOST = 0.9;

  private double part;
  private long nextNanos;
  private boolean begun;

  /**
   * Tells how far the backup is behind.
   *
   * @param lagNanos the age of the oldest entry that it has not replayed
   * @param nowNanos a clock that only rises
   */
  void report(long lagNanos, long nowNanos) {
    if (begun && nowNanos - nextNanos < 0) {
      return;
    }
    begun = true;
    nextNanos = nowNanos + STEP_NANOS;
    part = lagNanos > BOUND_NANOS ? Math.min(MOST, part + STEP) : Math.max(0, part - STEP);
  }

  /** Which part of its time the vCPU is to pause, 0 to 0.9. */
  double pausedPart() {
    return part;
  }
}
