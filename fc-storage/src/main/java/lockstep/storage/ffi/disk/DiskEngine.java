package lockstep.storage.ffi.disk;

import java.io.IOException;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;

/** Carries out requests on a medium, in any order. */
public interface DiskEngine extends AutoCloseable {
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
