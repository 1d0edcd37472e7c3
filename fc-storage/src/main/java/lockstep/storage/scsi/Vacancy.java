package lockstep.storage.scsi;

import lockstep.sys.Scheduler;

/**
 * What a primary knows of its backup while the unit has no reservation of their pair. While it has
 * none no backup can win: one that followed at any time since had not won before.
 *
 * <p>Any thread.
 */
final class Vacancy {
  private final Scheduler time;
  private boolean contested;
  private boolean vacant;
  private long sinceNanos;
  private boolean heard;
  private long followedNanos;

  Vacancy(Scheduler time) {
    this.time = time;
  }

  /** Whether the backup may claim at all. */
  synchronized void contested(boolean now) {
    contested = now;
  }

  synchronized boolean isContested() {
    return contested;
  }

  /** The backup followed at that time. */
  synchronized void followed(long nanos) {
    heard = true;
    followedNanos = nanos;
  }

  /** Whether it has followed since the unit was first found vacant; asked after it was found so. */
  synchronized boolean followedSince() {
    if (!vacant) {
      vacant = true;
      sinceNanos = time.steadyNanos();
    }
    return !contested || (heard && followedNanos - sinceNanos > 0);
  }

  /** The unit is vacant no more, or may soon not be. */
  synchronized void ends() {
    vacant = false;
  }
}
