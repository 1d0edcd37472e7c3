package lockstep.cli.run;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * The end of a run when the process is told to end: the guest is stopped, and what must not be lost
 * or left behind is waited for, within a bounded time. Any thread.
 */
final class OrderlyEnd {
  /** For closing a log, or giving back a disk: its last requests, and a few commands. */
  static final long USUAL_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** How long a reader of the console may take nothing before its last bytes are given up. */
  private static final long CONSOLE_NANOS = TimeUnit.SECONDS.toNanos(5);

  /** How often is looked whether the run is over. */
  private static final long RETRY_MILLIS = 10;

  private final CountDownLatch finished = new CountDownLatch(1);

  /** The run is over, and everything is safe and given back. */
  void finished() {
    finished.countDown();
  }

  /**
   * Ends the run.
   *
   * @param stop asks the guest to stop
   * @param unblock called when it takes long: a console that nobody reads may hold the guest
   * @param limitNanos how long to wait
   * @return false when it was not over in time
   */
  boolean await(Runnable stop, Runnable unblock, long limitNanos) {
    long start = System.nanoTime();
    stop.run();
    boolean unblocked = false;
    try {
      while (!finished.await(RETRY_MILLIS, TimeUnit.MILLISECONDS)) {
        long waited = System.nanoTime() - start;
        if (waited > CONSOLE_NANOS && !unblocked) {
          unblocked = true;
          unblock.run();
        }
        if (waited > limitNanos) {
          return false;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return true;
  }
}
