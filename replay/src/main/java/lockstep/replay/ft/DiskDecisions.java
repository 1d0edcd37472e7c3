package lockstep.replay.ft;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/**
 * Thread {@code arbiter}: asks the disk who has it, and connects; both may block for seconds. Every
 * question of one side goes in order.
 */
final class DiskDecisions implements AutoCloseable {
  private final Arbiter arbiter;
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("arbiter").factory());
  private volatile boolean holding;

  DiskDecisions(Arbiter arbiter) {
    this.arbiter = arbiter;
  }

  /**
   * Does something on the thread and waits for it.
   *
   * @throws IOException as that does; one line
   */
  void call(Callable<?> work) throws IOException, InterruptedException {
    Future<?> asked = thread.submit(work);
    try {
      asked.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
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

  /** See {@link Arbiter#leave}; on the caller's thread. */
  void left(Claimant self) throws IOException {
    arbiter.leave(self);
  }

  /** The VM is over: gives up the disk, as far as it is this side's to give up. */
  void leave(FtStatus now) throws IOException {
    if (now.epoch() > 0 || holding) {
      arbiter.leave(new Claimant(now.vm(), Math.max(1, now.epoch()), now.side()));
    }
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
