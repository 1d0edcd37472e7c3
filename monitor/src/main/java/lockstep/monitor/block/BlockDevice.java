package lockstep.monitor.block;

import java.io.IOException;
import java.util.function.Consumer;

/**
 * A disk's medium; implemented by storage. Any thread may submit; a completion comes on a thread of
 * the implementation, once for each request.
 *
 * <p>Requests in flight may be carried out in any order; who needs an order waits for the
 * completion. A completed write is on the medium after a later flush, or at once with {@code fua}.
 */
public interface BlockDevice extends AutoCloseable {
  /** What the disk is like; the same at every call. */
  Geometry geometry();

  /**
   * Starts one request.
   *
   * @param request lies within the disk, aligned to its blocks
   * @param completion told how it ended; must return soon, and may submit. What a read found may be
   *     lent to it alone, see {@link ReadData}
   * @throws IllegalStateException when {@link #depth} requests are in flight, or after closing
   * @throws IllegalArgumentException when the request does not fit the {@link #geometry}
   */
  void submit(BlockRequest request, Consumer<BlockResult> completion);

  /** How many requests may be in flight. */
  int depth();

  /**
   * From now on every request that changes the disk asks this before it reaches the medium; one
   * that may not ends as {@link BlockResult.NotStarted}.
   */
  void permit(WritePermit permit);

  /**
   * Drops what this host remembers of the disk's content, because another host has written to it.
   *
   * @throws IOException when that fails; reads may give old content then
   */
  void dropCache() throws IOException;

  /**
   * Waits for requests in flight, within a bounded time, and lets go of the medium. What was
   * written is flushed, unless the {@link #permit} says {@link WritePermit.Answer#DROP}.
   *
   * @throws IOException when what was written may not be on the medium
   */
  @Override
  void close() throws IOException;
}
