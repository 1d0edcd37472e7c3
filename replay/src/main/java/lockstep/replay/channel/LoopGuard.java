package lockstep.replay.channel;

import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GenericFutureListener;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * Ends the process when an Error comes up on the loop's thread. Netty logs what a task, a handler
 * or a listener throws, and goes on: this side would be heard of while a part of it is missing. An
 * exception is another matter: what a stranger sends may lead to one, and closes its connection.
 *
 * <p>All that Netty calls on this side's behalf goes through here: handlers give {@link #check}
 * what they are told in {@code exceptionCaught}, tasks and listeners are wrapped. Any thread.
 */
final class LoopGuard {
  /** The loop's thread. */
  static final String THREAD = "peer-loop";

  private final Scheduler host;

  LoopGuard(Scheduler host) {
    this.host = host;
  }

  /** Something was thrown; Netty wraps what a handler throws in exceptions of its own. */
  void check(@Nullable Throwable thrown) {
    for (Throwable each = thrown; each != null; each = each.getCause()) {
      if (each instanceof Error error) {
        host.failStop(THREAD, error);
        return;
      }
    }
  }

  /** Work for the loop. */
  Runnable task(Runnable work) {
    return () -> {
      try {
        work.run();
      } catch (RuntimeException | Error e) {
        check(e);
        throw e;
      }
    };
  }

  /** Who is told that something has ended. */
  <F extends Future<?>> GenericFutureListener<F> listener(GenericFutureListener<F> told) {
    return future -> {
      check(future.cause());
      try {
        told.operationComplete(future);
      } catch (Exception | Error e) {
        check(e);
        throw e;
      }
    };
  }

  /** The loop has ended; nobody is heard any more. */
  void ended(@Nullable Throwable why) {
    check(why);
    host.failStop("thread " + THREAD + " has ended, which is a bug of Lockstep; the process ends");
  }
}
