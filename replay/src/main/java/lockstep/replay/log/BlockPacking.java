package lockstep.replay.log;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Compresses the blocks of a log. What zstd works with is kept from one block to the next: to make
 * it costs several times what a sector does, and the vCPU waits for it.
 */
final class BlockPacking {
  /** Fast; the vCPU waits for it. */
  private static final int LEVEL = 1;

  /** Contexts that are kept of each kind; more than logs are usually open at once. */
  private static final int KEPT = 4;

  private static final Kept<ZstdCompressCtx> PACKING =
      new Kept<>(() -> new ZstdCompressCtx().setLevel(LEVEL));
  private static final Kept<ZstdDecompressCtx> UNPACKING = new Kept<>(ZstdDecompressCtx::new);

  private BlockPacking() {}

  /** Contexts that nobody uses at the moment; whoever asks never waits. */
  private static final class Kept<C extends AutoCloseable> {
    private final ConcurrentLinkedQueue<C> idle = new ConcurrentLinkedQueue<>();
    private final AtomicInteger room = new AtomicInteger(KEPT);
    private final Supplier<C> make;

    Kept(Supplier<C> make) {
      this.make = make;
    }

    C take() {
      Optional<C> kept = Optional.ofNullable(idle.poll());
      kept.ifPresent(_ -> room.incrementAndGet());
      return kept.orElseGet(make);
    }

    /** Whether it was taken back; else it is the caller's to close. */
    boolean giveBack(C context) {
      if (room.getAndDecrement() <= 0) {
        room.incrementAndGet();
        return false;
      }
      return idle.add(context);
    }
  }

  /** A block's bytes, packed. */
  static byte[] pack(byte[] content) {
    ZstdCompressCtx context = PACKING.take();
    try {
      return context.compress(content);
    } finally {
      if (!PACKING.giveBack(context)) {
        context.close();
      }
    }
  }

  /**
   * Unpacks a block.
   *
   * @param into all of it is the block's
   * @throws IllegalArgumentException if that is not what is packed there
   */
  static void unpack(byte[] into, byte[] packed, int from, int length) {
    ZstdDecompressCtx context = UNPACKING.take();
    try {
      int got = context.decompressByteArray(into, 0, into.length, packed, from, length);
      if (got != into.length) {
        throw new IllegalArgumentException("a compressed block of another size");
      }
    } catch (ZstdException e) {
      throw new IllegalArgumentException("a damaged compressed block: " + e.getMessage(), e);
    } finally {
      if (!UNPACKING.giveBack(context)) {
        context.close();
      }
    }
  }
}
