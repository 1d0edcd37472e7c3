package lockstep.testvms;

import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;

/** A disk in memory that completes each request before its submission returns. */
final class MemoryMedium implements BlockDevice {
  private static final int BLOCK_BYTES = 512;
  private static final int DEPTH = 64;

  private final byte[] content;

  MemoryMedium(int sizeBytes) {
    content = new byte[sizeBytes];
  }

  @Override
  public Geometry geometry() {
    return new Geometry(content.length, BLOCK_BYTES, false, false);
  }

  @Override
  public synchronized void submit(BlockRequest request, Consumer<BlockResult> completion) {
    Bytes data =
        switch (request) {
          case BlockRequest.Read read ->
              Bytes.copyOf(content, (int) read.offsetBytes(), read.lengthBytes());
          case BlockRequest.Write write -> {
            byte[] from = write.data().toArray();
            System.arraycopy(from, 0, content, (int) write.offsetBytes(), from.length);
            yield Bytes.empty();
          }
          case BlockRequest.Flush _, BlockRequest.Discard _ -> Bytes.empty();
        };
    completion.accept(new BlockResult.Done(request.id(), data));
  }

  @Override
  public int depth() {
    return DEPTH;
  }

  @Override
  public void permit(WritePermit permit) {
    // Nothing waits here, so none of it can start late.
  }

  @Override
  public void dropCache() {
    // There is none.
  }

  @Override
  public void close() {
    // Only memory.
  }
}
