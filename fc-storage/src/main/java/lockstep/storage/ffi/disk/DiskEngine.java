package lockstep.storage.ffi.disk;

import java.io.IOException;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.sys.SysException;

/** Carries out requests on a medium, in any order. */
public interface DiskEngine extends AutoCloseable {
  /** The ways there are. */
  enum Kind {
    /** One thread with a ring that it shares with the kernel. */
    IO_URING,
    /** Some threads with a call each. */
    THREADS
  }

  /**
   * Starts the best engine that this kernel lets this process have.
   *
   * @param depth how many requests may be under way
   * @throws SysException when there is no memory for it
   */
  static DiskEngine best(Medium medium, int depth) throws SysException {
    return of(RingEngine.refusal().isEmpty() ? Kind.IO_URING : Kind.THREADS, medium, depth);
  }

  /** Starts an engine of a kind. */
  static DiskEngine of(Kind kind, Medium medium, int depth) throws SysException {
    return switch (kind) {
      case IO_URING -> new RingEngine(medium, depth);
      case THREADS -> {
        int each = Math.min(depth, MAX_THREADS);
        yield new PoolEngine(medium, "disk", each, each);
      }
    };
  }

  /** More threads than this, for reads and for all else, do not make one disk faster. */
  int MAX_THREADS = 16;

  /** How it does so, for people: one word. */
  String name();

  /**
   * Starts one request; any thread. Returns soon.
   *
   * @param request fits the medium; whoever calls bounds how many are under way
   * @param completion told how it ended, on a thread of the engine
   */
  void start(BlockRequest request, Consumer<BlockResult> completion);

  /**
   * Waits for what was started and ends its threads. The medium stays open. Nothing may be started
   * from then on.
   *
   * @throws IOException when that takes too long; the medium must stay open then
   */
  @Override
  void close() throws IOException;
}
