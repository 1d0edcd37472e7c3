package lockstep.storage.iscsi;

import java.util.concurrent.TimeUnit;

/** When a session tries to connect: at once, and after each failure twice as late. One thread. */
final class LoginPause {
  private static final int FIRST_MILLIS = 20;

  private final int mostMillis;
  private long attemptNanos = System.nanoTime();
  private int nextMillis = FIRST_MILLIS;

  /**
   * @param mostMillis between two attempts
   */
  LoginPause(int mostMillis) {
    this.mostMillis = mostMillis;
  }

  /** How long it is until the next attempt; 0 or less when it is due. */
  long leftNanos() {
    return attemptNanos - System.nanoTime();
  }

  /** There was a connection, and it is lost: the next attempt is due. */
  void over() {
    attemptNanos = System.nanoTime();
    nextMillis = FIRST_MILLIS;
  }

  /** An attempt has failed. */
  void failed() {
    attemptNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(nextMillis);
    nextMillis = Math.min(2 * nextMillis, mostMillis);
  }
}
