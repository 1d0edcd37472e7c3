package lockstep.cli.bench;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** How much CPU time a guest takes that is left alone, on thread {@code vcpu-0}. */
final class IdleCpu {
  /** Some hundred ticks of a Linux. */
  private static final long SAMPLE_NANOS = TimeUnit.SECONDS.toNanos(3);

  /** What a guest does first after a restore is over by then, and mapped are the pages it needs. */
  private static final long SETTLE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final long START_LIMIT_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  private IdleCpu() {}

  /**
   * Takes a sample of a guest once it runs, then stops it.
   *
   * @param cpuNanos what its thread has taken; 0 before the start
   * @param stop ends the guest
   * @return the CPU time in seconds, of three
   */
  static CompletableFuture<Double> sample(LongSupplier cpuNanos, Runnable stop) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return measure(cpuNanos);
          } catch (InterruptedException e) {
            throw new CompletionException(e);
          } finally {
            stop.run();
          }
        });
  }

  private static double measure(LongSupplier cpuNanos) throws InterruptedException {
    awaitStart(cpuNanos);
    TimeUnit.NANOSECONDS.sleep(SETTLE_NANOS);
    long before = cpuNanos.getAsLong();
    long start = System.nanoTime();
    TimeUnit.NANOSECONDS.sleep(SAMPLE_NANOS);
    double share = (double) (cpuNanos.getAsLong() - before) / (System.nanoTime() - start);
    return share * SAMPLE_NANOS / 1e9;
  }

  private static void awaitStart(LongSupplier cpuNanos) throws InterruptedException {
    long deadline = System.nanoTime() + START_LIMIT_NANOS;
    while (cpuNanos.getAsLong() == 0) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException("the guest did not start within its time");
      }
      TimeUnit.NANOSECONDS.sleep(POLL_NANOS);
    }
  }
}
