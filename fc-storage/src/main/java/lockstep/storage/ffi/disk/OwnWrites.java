package lockstep.storage.ffi.disk;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.sys.SysException;

/**
 * Writes into the page cache that a thread of ours, {@code disk-writes}, makes itself while they
 * are quick. Many file systems, ext4 among them, take those from a ring only by way of a thread of
 * the kernel, and waking that costs more than the write.
 *
 * <p>A file system may let a write wait for as long as it likes, and the thread with it. That is
 * why it does nothing else, and why it gets no more while one of its writes takes long.
 */
final class OwnWrites implements AutoCloseable {
  /** Of larger writes the hand-over is a small part, and those behind them would wait. */
  private static final int MAX_BYTES = 128 << 10;

  /**
   * Hundreds of times what a write into the page cache takes: this one waited, or its thread did.
   */
  private static final long SLOW_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** How long writes are the kernel's after one that waited: throttled ones come in a row. */
  private static final long SLOW_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private final Medium medium;
  private final PoolEngine thread;
  private final AtomicInteger underWay = new AtomicInteger();

  /** When the thread began with the write that it is at; of no account while there is none. */
  private volatile long sinceNanos = System.nanoTime();

  private volatile long slowUntilNanos = System.nanoTime();

  /** Starts the thread. */
  OwnWrites(Medium medium) throws SysException {
    this.medium = medium;
    this.thread = new PoolEngine(medium, "disk-writes", 0, 1);
  }

  /**
   * Starts a request, if it is one for this thread now. Any thread.
   *
   * @param completion told on {@code disk-writes}
   */
  boolean take(BlockRequest request, Consumer<BlockResult> completion) {
    if (!(request instanceof BlockRequest.Write write) || !isOurs(write)) {
      return false;
    }
    if (underWay.getAndIncrement() == 0) {
      sinceNanos = System.nanoTime();
    }
    thread.start(
        write,
        result -> {
          ended();
          completion.accept(result);
        });
    return true;
  }

  private boolean isOurs(BlockRequest.Write write) {
    if (medium.caching() != Medium.Caching.WRITE_BACK
        || write.fua()
        || write.data().size() > MAX_BYTES) {
      return false;
    }
    long now = System.nanoTime();
    return now - slowUntilNanos >= 0 && (underWay.get() == 0 || now - sinceNanos <= SLOW_NANOS);
  }

  private void ended() {
    long now = System.nanoTime();
    if (now - sinceNanos > SLOW_NANOS) {
      slowUntilNanos = now + SLOW_PAUSE_NANOS;
    }
    sinceNanos = now;
    underWay.decrementAndGet();
  }

  @Override
  public void close() throws IOException {
    thread.close();
  }
}
