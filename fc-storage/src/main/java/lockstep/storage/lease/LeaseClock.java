package lockstep.storage.lease;

import java.io.InterruptedIOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;

/** Time, as far as a lease needs it. */
public interface LeaseClock {
  /** A clock that only rises; any origin. */
  long nanos();

  /**
   * Waits.
   *
   * @throws InterruptedIOException when told to end
   */
  void sleep(long nanos) throws InterruptedIOException;

  /**
   * Does something again and again, first after one interval, until the result is run. Never twice
   * at once.
   */
  Runnable repeat(long nanos, Runnable work);

  /** A reentrant lock for what waits by this time, so that a test decides who is next. */
  Lock lock();

  /** The host's clock, and a thread {@code lease-alive} for each repetition. */
  static LeaseClock system() {
    return new LeaseClock() {
      @Override
      public long nanos() {
        return System.nanoTime();
      }

      @Override
      public void sleep(long nanos) throws InterruptedIOException {
        try {
          TimeUnit.NANOSECONDS.sleep(nanos);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new InterruptedIOException("interrupted");
        }
      }

      @Override
      public Runnable repeat(long nanos, Runnable work) {
        Thread thread =
            Thread.ofPlatform()
                .daemon()
                .name("lease-alive")
                .start(
                    () -> {
                      try {
                        while (true) {
                          TimeUnit.NANOSECONDS.sleep(nanos);
                          work.run();
                        }
                      } catch (InterruptedException e) {
                        // Stopped.
                      }
                    });
        return thread::interrupt;
      }

      @Override
      public Lock lock() {
        return new ReentrantLock();
      }
    };
  }
}
