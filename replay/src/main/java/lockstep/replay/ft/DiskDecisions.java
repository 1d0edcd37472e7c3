package lockstep.replay.ft;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.peer.VitalLoop;
import lockstep.replay.ft.protocol.FtStatus;
import lockstep.sys.Scheduler;

/**
 * Thread {@code arbiter}: asks the disk who has it, and connects; both may block for seconds. Every
 * question of one side goes in order.
 */
final class DiskDecisions implements AutoCloseable {
  private static final long LEAVE_SECONDS = 2;

  private static final String THREAD = "arbiter";

  private final Scheduler host;
  private final Arbiter arbiter;
  private final ExecutorService thread;
  private volatile boolean holding;

  DiskDecisions(Scheduler host, Arbiter arbiter) {
    this.host = host;
    this.thread = host.executor(THREAD);
    this.arbiter = arbiter;
  }

  /** The future of a piece of work would keep an Error, and this side would go on without it. */
  private <T> Future<T> submit(Callable<T> work) {
    return thread.submit(
        () -> {
          try {
            return work.call();
          } catch (Error e) {
            host.failStop(THREAD, e);
            throw e;
          }
        });
  }

  /**
   * Does something on the thread and waits for it.
   *
   * @throws IOException as that does, or when it has waited for a loop in vain; one line
   */
  void call(Callable<?> work) throws IOException, InterruptedException {
    try {
      submit(work).get();
    } catch (RejectedExecutionException e) {
      throw new IOException("this side is closed", e);
    } catch (ExecutionException e) {
      throw switch (e.getCause()) {
        case IOException io -> io;
        case VitalLoop.Silent silent -> new IOException(silent.getMessage(), silent);
        case null, default -> new IOException(e.getCause());
      };
    }
  }

  /**
   * Primary that starts without a backup: has the disk from here on, as in the first pair.
   *
   * @throws IOException when the disk refuses; one line
   */
  void hold(String vm) throws IOException, InterruptedException {
    call(
        () -> {
          enter(firstPrimary(vm));
          holding = true;
          return null;
        });
  }

  private static Claimant firstPrimary(String vm) {
    return new Claimant(vm, 1, Claimant.Side.PRIMARY);
  }

  /** See {@link Arbiter#enter}; on the caller's thread. */
  void enter(Claimant self) throws IOException {
    arbiter.enter(self);
  }

  /** Primary that found no backup: the disk of a VM that never had a pair is not its own yet. */
  void notPaired(FtStatus before) throws IOException {
    if (before.epoch() == 0 && !holding) {
      arbiter.leave(firstPrimary(before.vm()));
    }
  }

  /** See {@link Arbiter#contested}. */
  void contested(boolean may) {
    arbiter.contested(may);
  }

  /** See {@link Arbiter#followed}. */
  void followed(long nanos) {
    arbiter.followed(nanos);
  }

  /**
   * Asks who goes on. Returns at once.
   *
   * @param answer takes the ruling, on the thread
   */
  void claim(Claimant self, Consumer<Arbiter.Ruling> answer) {
    thread.execute(
        () -> {
          try {
            answer.accept(ruling(self));
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
  }

  private Arbiter.Ruling ruling(Claimant self) throws InterruptedException {
    try {
      return arbiter.claim(self);
    } catch (RuntimeException e) {
      // A bug of ours must not leave both sides waiting, nor may it win.
      return new Arbiter.Ruling(Arbiter.Verdict.UNKNOWN, "internal error: " + e);
    }
  }

  /**
   * Backup: is none of this pair any more. Behind what was asked before, and waited for only so
   * long: a disk that does not answer must not keep this side.
   *
   * @param over whether the VM is over, in order; else it goes on at the primary
   * @throws IOException as the disk does, or when it has not answered; one line
   */
  void left(Claimant self, boolean over) throws IOException, InterruptedException {
    Future<?> asked =
        submit(
            () -> {
              if (over) {
                arbiter.leave(self);
              } else {
                arbiter.part(self);
              }
              return null;
            });
    try {
      asked.get(LEAVE_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new IOException("no answer within %d s".formatted(LEAVE_SECONDS), e);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    }
  }

  /** The VM is over: gives up the disk, as far as it is this side's to give up. */
  void leave(FtStatus status) throws IOException {
    if (status.epoch() > 0 || holding) {
      arbiter.leave(new Claimant(status.vm(), Math.max(1, status.epoch()), status.side()));
    }
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
