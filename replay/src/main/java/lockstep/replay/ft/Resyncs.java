package lockstep.replay.ft;

import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/**
 * Bounds how often a backup that goes astray gets the state anew: one that always does would cost
 * the guest's time for ever and never protect it. Loop thread only.
 */
final class Resyncs {
  private static final int MOST = 3;
  private static final long WITHIN_NANOS = TimeUnit.MINUTES.toNanos(10);

  private final ArrayDeque<Long> triedNanos = new ArrayDeque<>();

  /** Whether one more is worth it now; counts it if so. */
  boolean mayTry(long nowNanos) {
    while (!triedNanos.isEmpty() && nowNanos - triedNanos.element() > WITHIN_NANOS) {
      triedNanos.remove();
    }
    if (triedNanos.size() >= MOST) {
      return false;
    }
    triedNanos.add(nowNanos);
    return true;
  }
}
