package lockstep.replay.ft;

import java.util.concurrent.TimeUnit;

/** What is said again and again, told when it is something new, and else now and then. */
final class SeldomNotes {
  private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private String last = "";
  private long lastNanos;

  /** Whether to tell of it now; then it counts as told. */
  boolean isDue(String text, long nowNanos) {
    if (text.equals(last) && nowNanos - lastNanos < PAUSE_NANOS) {
      return false;
    }
    last = text;
    lastNanos = nowNanos;
    return true;
  }
}
