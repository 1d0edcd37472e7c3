package lockstep.storage.scsi;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import lockstep.sys.Scheduler;

/**
 * Threads of which one runs at a time, until it passes its turn on; a test chooses who is next, and
 * how much time passes.
 */
final class Turns {
  /** One of the threads. */
  static final class Actor {
    private final String host;
    private final Semaphore go = new Semaphore(0);
    private long wakeNanos;
    private boolean done;

    private Actor(String host) {
      this.host = host;
    }

    String host() {
      return host;
    }
  }

  /** What one does. */
  interface Work {
    void run() throws Exception;
  }

  /** The test is over. */
  private static final class Over extends Error {
    private static final long serialVersionUID = 1;

    Over() {
      super("over", null, false, false);
    }
  }

  private final List<Actor> actors = new ArrayList<>();
  private final Semaphore back = new Semaphore(0);
  private Actor running = new Actor("");
  private long nowNanos = TimeUnit.SECONDS.toNanos(1_000);
  private volatile boolean over;
  private volatile Throwable failure = new Over();

  long nowNanos() {
    return nowNanos;
  }

  void advance(long nanos) {
    nowNanos += nanos;
  }

  /** Lets time pass until one of these hosts' threads could run. */
  void advanceToNext(Predicate<String> hosts) {
    actors.stream()
        .filter(one -> !one.done && hosts.test(one.host))
        .mapToLong(one -> one.wakeNanos)
        .min()
        .ifPresent(wake -> nowNanos = Math.max(nowNanos, wake));
  }

  /** Adds a thread; it begins at its first turn. */
  void add(String host, Work work) {
    Thread unused = thread(host, work);
    unused.start();
  }

  private Thread thread(String host, Work work) {
    Actor actor = new Actor(host);
    actors.add(actor);
    return Thread.ofVirtual()
        .unstarted(
            () -> {
              try {
                actor.go.acquire();
                stopIfOver();
                work.run();
              } catch (Over | InterruptedException e) {
                // The end.
              } catch (Throwable e) {
                failure = e;
              } finally {
                actor.done = true;
                back.release();
              }
            });
  }

  /** Those that could run now. */
  List<Actor> ready() {
    return actors.stream().filter(one -> !one.done && one.wakeNanos <= nowNanos).toList();
  }

  /** Lets one run until it passes. */
  void turn(Actor next) throws InterruptedException {
    running = next;
    next.go.release();
    back.acquire();
    if (!(failure instanceof Over)) {
      throw new AssertionError(failure.toString(), failure);
    }
  }

  /** The thread that runs gives its turn away. */
  void pass() throws InterruptedException {
    Actor me = running;
    back.release();
    me.go.acquire();
    stopIfOver();
  }

  private void stopIfOver() {
    if (over) {
      throw new Over();
    }
  }

  void passUntil(BooleanSupplier what) throws InterruptedException {
    while (!what.getAsBoolean()) {
      idle();
    }
  }

  /** Passes, with nothing to do for some milliseconds. */
  void idle() throws InterruptedException {
    sleep(TimeUnit.MILLISECONDS.toNanos(20));
  }

  private void sleep(long nanos) throws InterruptedException {
    running.wakeNanos = nowNanos + nanos;
    pass();
  }

  /** Ends all threads. */
  void end() throws InterruptedException {
    over = true;
    for (Actor one : actors) {
      if (!one.done) {
        one.wakeNanos = 0;
        turn(one);
      }
    }
  }

  /** The time and threads of one host. */
  Scheduler of(String host) {
    return new HostTime(host);
  }

  private final class HostTime implements Scheduler {
    private final String host;

    HostTime(String host) {
      this.host = host;
    }

    @Override
    public long nanoTime() {
      return nowNanos;
    }

    @Override
    public long steadyNanos() {
      return nowNanos;
    }

    @Override
    public void sleep(long nanos) throws InterruptedException {
      Turns.this.sleep(nanos);
    }

    @Override
    public void park(Object blocker, long nanos) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Lock lock() {
      return new TurnLock();
    }

    @Override
    public Thread thread(String name, boolean daemon, Runnable work) {
      return Turns.this.thread(host, work::run);
    }

    @Override
    public void spawn(Runnable work) {
      throw new UnsupportedOperationException();
    }

    @Override
    public ExecutorService executor(String name) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void randomBytes(byte[] into) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void failStop(String thread, Throwable cause) {
      failStop("thread " + thread + " has failed: " + cause);
    }

    @Override
    public void failStop(String reason) {
      throw new AssertionError(reason);
    }

    @Override
    public boolean urgent(boolean on) {
      return false;
    }

    @Override
    public int nice() {
      return 0;
    }

    @Override
    public boolean nice(int nice) {
      return false;
    }
  }

  /** Who waits for it passes. */
  private final class TurnLock implements Lock {
    private final ReentrantLock real = new ReentrantLock();

    @Override
    public void lock() {
      try {
        while (!real.tryLock()) {
          pass();
        }
      } catch (InterruptedException e) {
        throw new Over();
      }
    }

    @Override
    public void lockInterruptibly() {
      lock();
    }

    @Override
    public boolean tryLock() {
      return real.tryLock();
    }

    @Override
    public boolean tryLock(long time, TimeUnit unit) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void unlock() {
      real.unlock();
    }

    @Override
    public Condition newCondition() {
      throw new UnsupportedOperationException();
    }
  }
}
