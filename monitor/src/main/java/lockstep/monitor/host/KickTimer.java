package lockstep.monitor.host;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.input.WakeTimer;
import lockstep.sys.Scheduler;

/**
 * Thread {@code kick-timer}: sleeps until the earliest guest timer's deadline and then kicks the
 * vCPU. It carries no input: the vCPU thread reads the clock itself and decides what expired.
 */
public final class KickTimer implements WakeTimer, AutoCloseable {
  /** How long closing waits for the thread, which only ever sleeps. */
  private static final long JOIN_MILLIS = 1_000;

  /** Bounds one sleep, so that a wake-up lost to a bug shows as lag and not as a hang. */
  private static final long SLEEP_SLICE_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Scheduler host;
  private final Runnable kick;
  private final Thread thread;
  private final AtomicLong wakeAtNanos = new AtomicLong(Long.MAX_VALUE);
  private volatile long sleepingUntilNanos = Long.MAX_VALUE;
  private volatile boolean closed;

  /** Starts the thread; {@code kick} must be callable from any thread. */
  public KickTimer(Runnable kick) {
    this(Scheduler.HOST, kick);
  }

  /** The same by another clock. */
  public KickTimer(Scheduler host, Runnable kick) {
    this.host = host;
    this.kick = kick;
    this.thread = host.thread("kick-timer", true, this::run);
    thread.start();
  }

  @Override
  public void wakeAt(long hostNanos) {
    wakeAtNanos.set(hostNanos);
    // A later deadline needs no wake-up: the thread looks again when it gets up for the old one.
    if (hostNanos != Long.MAX_VALUE && hostNanos - sleepingUntilNanos < 0) {
      LockSupport.unpark(thread);
    }
  }

  private void run() {
    while (!closed) {
      long deadline = wakeAtNanos.get();
      long now = host.nanoTime();
      if (deadline != Long.MAX_VALUE && deadline - now <= 0) {
        // Lost only to a newer deadline, which the next turn looks at.
        if (wakeAtNanos.compareAndSet(deadline, Long.MAX_VALUE)) {
          kick.run();
        }
        continue;
      }
      long sleepNanos =
          deadline == Long.MAX_VALUE
              ? SLEEP_SLICE_NANOS
              : Math.min(deadline - now, SLEEP_SLICE_NANOS);
      sleepingUntilNanos = now + sleepNanos;
      if (wakeAtNanos.get() == deadline) {
        host.park(this, sleepNanos);
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(thread);
    try {
      thread.join(JOIN_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
