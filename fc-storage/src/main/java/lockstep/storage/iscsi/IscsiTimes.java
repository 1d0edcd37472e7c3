package lockstep.storage.iscsi;

import java.util.concurrent.TimeUnit;

/**
 * How patient a session is.
 *
 * @param loginMillis for a connection and its login; a target that is up answers in a fraction
 * @param answerMillis without an answer to a command the connection counts as dead; above the worst
 *     of what disks behind targets do
 * @param requestMillis a disk's request fails for good after so long, however often the connection
 *     broke: long enough for a target's restart
 * @param retryMillis between two attempts to connect, at most; the first comes at once
 */
public record IscsiTimes(int loginMillis, int answerMillis, int requestMillis, int retryMillis) {
  /** For use. */
  public static final IscsiTimes USUAL = new IscsiTimes(5_000, 15_000, 120_000, 1_000);

  long requestNanos() {
    return TimeUnit.MILLISECONDS.toNanos(requestMillis);
  }
}
