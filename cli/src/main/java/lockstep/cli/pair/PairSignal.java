package lockstep.cli.pair;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.replay.ft.FtNode;
import lockstep.replay.ft.FtVm;
import lockstep.replay.ft.PlannedFailover;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.protocol.FtStatus;

/**
 * What one side of a pair does when its process is told to end: a host that shuts down, or a closed
 * terminal, is no end of the VM. A protected one continues at its backup; one without a backup
 * ends; a backup leaves. One thread.
 */
final class PairSignal {
  private static final long POLL_MILLIS = 10;

  private final FtNode node;
  private final FtVm vm;
  private final Runnable stop;
  private final Consumer<String> notes;
  private Optional<CompletableFuture<PlannedFailover.Outcome>> handOver = Optional.empty();
  private boolean stopped;

  /**
   * @param stop as a user would: ends a VM that runs here, takes a backup out of its pair
   */
  PairSignal(FtNode node, FtVm vm, Runnable stop, Consumer<String> notes) {
    this.node = node;
    this.vm = vm;
    this.stop = stop;
    this.notes = notes;
  }

  /**
   * Returns when this side is over, or the process has to end without it.
   *
   * @param closed everything is given back
   */
  void end(CountDownLatch closed, long limitSeconds) throws InterruptedException {
    long start = System.nanoTime();
    long limitNanos = TimeUnit.SECONDS.toNanos(limitSeconds);
    long left = limitNanos;
    while (left > 0) {
      if (!vm.over().isDone() && !next(left)) {
        notes.accept("the VM is left to its backup, which takes over when this process has ended");
        return;
      }
      if (closed.await(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
        return;
      }
      left = limitNanos - (System.nanoTime() - start);
    }
    notes.accept("this side did not end within %d s (--stop-timeout)".formatted(limitSeconds));
  }

  /** Does what is to be done now; false when nothing can be done any more. */
  private boolean next(long leftNanos) {
    FtStatus now = node.status();
    return switch (now.state()) {
      case PROTECTED -> handOver(leftNanos);
      case ALONE, PAIRING, WAITING, RECEIVING, FOLLOWING, CATCHING_UP -> stop();
      // A backup that has not won leaves; a primary is told by the disk.
      case CLAIMING -> now.side() == Claimant.Side.PRIMARY || stop();
      case HANDING_OVER, TAKING_OVER, HALTED, ENDED -> true;
    };
  }

  private boolean handOver(long leftNanos) {
    if (handOver.isEmpty()) {
      handOver = Optional.of(vm.handOver(leftNanos));
    }
    // One that failed and left the VM protected here is not tried again.
    return !handOver.get().isDone();
  }

  private boolean stop() {
    if (!stopped) {
      stopped = true;
      stop.run();
    }
    return true;
  }
}
