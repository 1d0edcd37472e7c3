package lockstep.replay.ft.protocol;

import java.util.Optional;

/**
 * Whether something that should move on does: a vital thread here, or the backup's replay. Its time
 * is that of the ticks, each of which counts for a bounded time only, so that a process that was
 * stopped as a whole is not taken for one with a thread that stands still. Pure; one thread.
 */
final class StallWatch {
  private final long limitNanos;
  private final long mostPerTickNanos;
  private long last;
  private long ageNanos;
  private long tellsAtNanos;

  /**
   * @param limitNanos how long it may stand still
   * @param mostPerTickNanos what a tick counts for at most
   */
  StallWatch(long limitNanos, long mostPerTickNanos) {
    this.limitNanos = limitNanos;
    this.mostPerTickNanos = mostPerTickNanos;
    this.tellsAtNanos = limitNanos;
  }

  /**
   * Time has passed.
   *
   * @param moves a count that changes when it moves on
   * @param mayStand whether it need not move now
   * @param nanos since the last tick
   * @return for how long it has stood still when that is too long, once for each time-out; in ns
   */
  Optional<Long> tick(long moves, boolean mayStand, long nanos) {
    if (mayStand || moves != last) {
      last = moves;
      ageNanos = 0;
      tellsAtNanos = limitNanos;
      return Optional.empty();
    }
    ageNanos += Math.min(nanos, mostPerTickNanos);
    if (ageNanos < tellsAtNanos) {
      return Optional.empty();
    }
    // Again later: it may matter then, because there is another side.
    tellsAtNanos = ageNanos + limitNanos;
    return Optional.of(ageNanos);
  }

  /** Whether it has stood still for so long that it will hardly continue. */
  boolean isGrave() {
    return ageNanos >= limitNanos / 2;
  }

  /** Whether it has stood still for some time, though not for too long yet. */
  boolean isSuspicious() {
    return ageNanos >= limitNanos / 8;
  }
}
