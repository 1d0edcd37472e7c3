package lockstep.replay.ft.peer;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import lockstep.sys.Scheduler;

/**
 * The network's loop as a side uses it: what one piece of work throws ends the process. A loop that
 * drops what failed and sends its heartbeats would hide that this side is broken. Any thread.
 */
public final class VitalLoop {
  private static final String THREAD = "peer-loop";

  private final Scheduler host;
  private final ScheduledExecutorService loop;

  /** Gives work to a network's loop. */
  public VitalLoop(Scheduler host, ScheduledExecutorService loop) {
    this.host = host;
    this.loop = loop;
  }

  /** The loop has not come to what it was given in time. */
  public static final class Silent extends IllegalStateException {
    private static final long serialVersionUID = 1;

    private Silent(long nanos, Exception cause) {
      super(
          "thread %s has not answered for %.1f s; lockstep status shows what becomes of it"
              .formatted(THREAD, nanos / 1e9),
          cause);
    }
  }

  private Runnable vital(Runnable work) {
    return () -> {
      try {
        work.run();
      } catch (RuntimeException | Error e) {
        host.failStop(THREAD, e);
        throw e;
      }
    };
  }

  /** Has something done soon; nothing, when the network is closed: this side is over then. */
  public void execute(Runnable work) {
    try {
      loop.execute(vital(work));
    } catch (RejectedExecutionException e) {
      // This side is over.
    }
  }

  /** Has something done after a time. */
  public ScheduledFuture<?> later(Runnable work, long nanos) {
    return loop.schedule(vital(work), nanos, TimeUnit.NANOSECONDS);
  }

  /** Has something done again and again, until the result is cancelled. */
  public ScheduledFuture<?> every(Runnable work, long nanos) {
    return loop.scheduleAtFixedRate(vital(work), nanos, nanos, TimeUnit.NANOSECONDS);
  }

  /** Waits until all that was given before has been done. Not on the loop's thread. */
  public void settle(long nanos) throws InterruptedException {
    try {
      loop.submit(() -> {}).get(nanos, TimeUnit.NANOSECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new Silent(nanos, e);
    } catch (RejectedExecutionException e) {
      // Closed already.
    }
  }
}
