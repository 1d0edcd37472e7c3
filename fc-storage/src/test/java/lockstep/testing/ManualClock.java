package lockstep.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import lockstep.storage.lease.LeaseClock;

/**
 * A host's clock that a test moves: time passes only while somebody sleeps, or when told to. A
 * stopped host's repetitions wait. One thread.
 */
public final class ManualClock implements LeaseClock {
  private final List<Repetition> repetitions = new ArrayList<>();
  private final Timeline time;
  private boolean stopped;

  /** The time that several clocks share. */
  public static final class Timeline {
    private final List<ManualClock> clocks = new ArrayList<>();
    private long nowNanos = 1_000_000_000L;

    /** A clock of one more host. */
    public ManualClock clock() {
      ManualClock clock = new ManualClock(this);
      clocks.add(clock);
      return clock;
    }

    /** Time passes. */
    public void pass(long nanos) {
      long until = nowNanos + nanos;
      while (true) {
        Repetition next = null;
        for (ManualClock clock : clocks) {
          for (Repetition each : clock.repetitions) {
            if (!clock.stopped && each.dueNanos <= until && !each.running) {
              next = next == null || each.dueNanos < next.dueNanos ? each : next;
            }
          }
        }
        if (next == null) {
          break;
        }
        nowNanos = Math.max(nowNanos, next.dueNanos);
        next.dueNanos = nowNanos + next.everyNanos;
        next.running = true;
        next.work.run();
        next.running = false;
      }
      nowNanos = Math.max(nowNanos, until);
    }
  }

  private static final class Repetition {
    private final long everyNanos;
    private final Runnable work;
    private long dueNanos;
    private boolean running;

    Repetition(long everyNanos, Runnable work, long dueNanos) {
      this.everyNanos = everyNanos;
      this.work = work;
      this.dueNanos = dueNanos;
    }
  }

  private ManualClock(Timeline time) {
    this.time = time;
  }

  /** Whether the host stands, as after SIGSTOP. */
  public void stopped(boolean now) {
    stopped = now;
  }

  @Override
  public long nanos() {
    return time.nowNanos;
  }

  @Override
  public void sleep(long nanos) {
    time.pass(nanos);
  }

  @Override
  public Lock lock() {
    return new ReentrantLock();
  }

  @Override
  public Runnable repeat(long nanos, Runnable work) {
    Repetition repetition = new Repetition(nanos, work, time.nowNanos + nanos);
    repetitions.add(repetition);
    return () -> repetitions.remove(repetition);
  }
}
