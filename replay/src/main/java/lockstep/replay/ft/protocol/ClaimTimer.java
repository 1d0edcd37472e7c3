package lockstep.replay.ft.protocol;

/** When the disk is asked again, and what of its answers is told. As pure as the session. */
final class ClaimTimer {
  private final FtTimes times;
  private final RateLimitedNotes unknown = new RateLimitedNotes();
  private boolean asked;
  private long nextNanos;

  /** Nothing asked yet. */
  ClaimTimer(FtTimes times) {
    this.times = times;
  }

  /** The disk is being asked. */
  void asked() {
    asked = true;
  }

  boolean isAsked() {
    return asked;
  }

  /** The disk has answered, whatever it said. */
  void answered(long nowNanos) {
    asked = false;
    nextNanos = nowNanos + times.retryNanos();
  }

  /** Whether the disk is to be asked again. */
  boolean isDue(long nowNanos) {
    return !asked && nowNanos - nextNanos >= 0;
  }

  /** Whether to tell the user why there is no verdict. */
  boolean isNews(String reason, long nowNanos) {
    return unknown.isDue(reason, nowNanos);
  }
}
