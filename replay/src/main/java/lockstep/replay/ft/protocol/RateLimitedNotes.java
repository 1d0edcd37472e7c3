package lockstep.replay.ft.protocol;

import java.util.concurrent.TimeUnit;

/** Limits repeated notes: a new text is due at once, the same one only every few seconds. */
final class RateLimitedNotes {
  private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private String last = "";
  private long lastNanos;

  /** Whether to show the note now; then it counts as shown. */
  boolean isDue(String text, long nowNanos) {
    if (text.equals(last) && nowNanos - lastNanos < PAUSE_NANOS) {
      return false;
    }
    last = text;
    lastNanos = nowNanos;
    return true;
  }
}
