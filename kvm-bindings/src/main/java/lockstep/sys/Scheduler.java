package lockstep.sys;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.locks.Lock;

/**
 * The time, waiting, threads and randomness of one process, as far as they decide what it does:
 * {@link #HOST} asks the host, a simulation gives virtual time and a chosen order of threads (see
 * docs/adr/0004-simulated-time.md). Code that a simulation runs asks for all of them here, and for
 * nothing with a time limit elsewhere; untimed waiting ({@code Future.get}, {@code Thread.join},
 * {@code LockSupport.unpark}) needs no help.
 *
 * <p>No default methods: {@link #HOST} is made of a subclass, and an interface that has them is
 * initialized by it, so that two threads could wait for each other.
 *
 * <p>Any thread.
 */
public interface Scheduler {
  /** The real one. */
  Scheduler HOST =
      new HostScheduler() {
        @Override
        public long steadyNanos() {
          return SteadyClock.nanos();
        }

        @Override
        public boolean urgent(boolean on) {
          boolean allowed = Posix.realTime(Posix.gettid(), on);
          if (allowed) {
            // A safepoint stops the caller, too, and lasts as long as this thread waits for a CPU.
            VmThread.id().ifPresent(id -> Posix.realTime(id, on));
          }
          return allowed;
        }
      };

  /** See {@link System#nanoTime}. */
  long nanoTime();

  /**
   * The clock by which the two sides of a pair measure promises to each other: one that no time
   * service slews, where there is one. Of another origin than {@link #nanoTime}.
   */
  long steadyNanos();

  /**
   * Waits.
   *
   * @throws InterruptedException when the thread is told to end
   */
  void sleep(long nanos) throws InterruptedException;

  /**
   * Waits until unparked, interrupted or for so long; see {@link
   * java.util.concurrent.locks.LockSupport#parkNanos(Object, long)}.
   */
  void park(Object blocker, long nanos);

  /** A reentrant lock. Its conditions wait by this time. */
  Lock lock();

  /** A thread that is not started yet, and keeps the process alive unless it is a daemon. */
  Thread thread(String name, boolean daemon, Runnable work);

  /** Starts a short-lived thread without a name. */
  void spawn(Runnable work);

  /** One daemon thread that does what it is given, in order. Futures wait by this time. */
  ExecutorService executor(String name);

  /** Unpredictable bytes, for keys. */
  void randomBytes(byte[] into);

  /**
   * Ends the process at once: a part of it has failed that the rest must not survive.
   *
   * @param line for the user
   */
  void failStop(String line);

  /**
   * The same for what a thread threw that it should not have: a thread that the rest depends on
   * must not be missing while the heartbeats go on. Returns only in simulations and tests.
   *
   * @param thread its name
   */
  void failStop(String thread, Throwable cause);

  /**
   * Has the calling thread run before all ordinary ones, or not any more, where the host lets it.
   *
   * @return whether it does; false where there is nothing of the kind
   */
  boolean urgent(boolean on);

  /** See {@link Posix#nice()}. */
  int nice();

  /** See {@link Posix#nice(int)}. */
  boolean nice(int nice);
}
