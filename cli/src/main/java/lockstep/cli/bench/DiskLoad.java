package lockstep.cli.bench;

import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import lockstep.cli.common.CommandFailure;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import org.jspecify.annotations.Nullable;

/**
 * Requests at random places, a fixed number in flight: whoever hears of a completion submits the
 * next one, on the thread where it heard of it. The C programs beside it do the same.
 */
final class DiskLoad {
  /** A disk that takes longer for a request than this is not worth measuring. */
  private static final long PATIENCE_SECONDS = 60;

  /** What is asked for. */
  enum Kind {
    READ,
    WRITE,
    /** A write that is done when it is on the medium. */
    FUA;

    String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * One kind of load.
   *
   * @param sizeBytes of each request
   * @param depth requests in flight
   */
  record Shape(Kind kind, int sizeBytes, int depth) {
    /** For a row's name. */
    String words() {
      return "%dK %s, depth %d".formatted(sizeBytes >> 10, kind.word(), depth);
    }
  }

  private final BlockDevice disk;
  private final Shape shape;
  private final Bytes data;
  private final long blocks;
  private final CountDownLatch ended = new CountDownLatch(1);
  private final SplittableRandom random = new SplittableRandom(1);
  private long lastId;
  private int flying;
  private long done;
  private long endNanos;
  private long lastNanos;
  private @Nullable String problem;

  private DiskLoad(BlockDevice disk, Shape shape) {
    this.disk = disk;
    this.shape = shape;
    byte[] content = new byte[shape.kind() == Kind.READ ? 0 : shape.sizeBytes()];
    random.nextBytes(content);
    this.data = Bytes.copyOf(content);
    this.blocks = disk.geometry().capacityBytes() / shape.sizeBytes();
  }

  /**
   * Loads a disk for some time.
   *
   * @return completed requests a second
   * @throws CommandFailure when a request fails
   */
  static double perSecond(BlockDevice disk, Shape shape, long nanos)
      throws InterruptedException, CommandFailure {
    return new DiskLoad(disk, shape).run(nanos);
  }

  private double run(long nanos) throws InterruptedException, CommandFailure {
    long start = System.nanoTime();
    synchronized (this) {
      endNanos = start + nanos;
      for (int i = 0; i < shape.depth(); i++) {
        flying++;
        disk.submit(request(), this::completed);
      }
    }
    if (!ended.await(nanos + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS), TimeUnit.NANOSECONDS)) {
      throw new CommandFailure("a disk request has no end", "look at the disk");
    }
    synchronized (this) {
      Optional<String> failed = Optional.ofNullable(problem);
      if (failed.isPresent()) {
        throw new CommandFailure(failed.get(), "look at the disk");
      }
      return done * 1e9 / (lastNanos - start);
    }
  }

  private BlockRequest request() {
    long at = random.nextLong(blocks) * shape.sizeBytes();
    long id = ++lastId;
    return switch (shape.kind()) {
      case READ -> new BlockRequest.Read(id, at, shape.sizeBytes());
      case WRITE -> new BlockRequest.Write(id, at, data, false);
      case FUA -> new BlockRequest.Write(id, at, data, true);
    };
  }

  private synchronized void completed(BlockResult result) {
    lastNanos = System.nanoTime();
    switch (result) {
      case BlockResult.Done _ -> done++;
      case BlockResult.Failed failed -> problem = failed.reason();
      case BlockResult.Fenced fenced -> problem = fenced.reason();
      case BlockResult.NotStarted _ -> throw new IllegalStateException("held, and no pair");
    }
    if (lastNanos < endNanos && problem == null) {
      disk.submit(request(), this::completed);
    } else if (--flying == 0) {
      ended.countDown();
    }
  }
}
