package lockstep.testvms;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;

/** A raw image as a disk's medium, the plainest that works: for tests of what is above it. */
final class ImageFile implements BlockDevice {
  private static final int BLOCK_BYTES = 512;
  private static final int DEPTH = 4;

  /** What a fenced medium says. */
  static final String FENCED = "the image was given to another host";

  private final FileChannel file;
  private final ExecutorService thread = Executors.newSingleThreadExecutor();

  private volatile boolean fenced;

  ImageFile(Path path, long sizeBytes) throws IOException {
    file =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    if (file.size() < sizeBytes) {
      file.write(ByteBuffer.allocate(1), sizeBytes - 1);
    }
  }

  @Override
  public Geometry geometry() {
    try {
      return new Geometry(file.size(), BLOCK_BYTES, false, false);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Override
  public void submit(BlockRequest request, Consumer<BlockResult> completion) {
    thread.execute(
        () -> {
          BlockResult result;
          try {
            if (fenced && !(request instanceof BlockRequest.Read)) {
              completion.accept(new BlockResult.Fenced(request.id(), FENCED));
              return;
            }
            result = new BlockResult.Done(request.id(), carryOut(request));
          } catch (IOException e) {
            result = new BlockResult.Failed(request.id(), String.valueOf(e.getMessage()));
          }
          completion.accept(result);
        });
  }

  private Bytes carryOut(BlockRequest request) throws IOException {
    return switch (request) {
      case BlockRequest.Read read -> {
        ByteBuffer data = ByteBuffer.allocate(read.lengthBytes());
        while (data.hasRemaining()) {
          if (file.read(data, read.offsetBytes() + data.position()) < 0) {
            throw new IOException("the image ends early");
          }
        }
        yield Bytes.copyOf(data.array());
      }
      case BlockRequest.Write write -> {
        ByteBuffer data = ByteBuffer.wrap(write.data().toArray());
        while (data.hasRemaining()) {
          file.write(data, write.offsetBytes() + data.position());
        }
        if (write.fua()) {
          file.force(false);
        }
        yield Bytes.empty();
      }
      case BlockRequest.Flush _ -> {
        file.force(false);
        yield Bytes.empty();
      }
      case BlockRequest.Discard _ -> throw new IOException("no discard");
    };
  }

  /** From now on every write is refused, as by a reservation that another host holds. */
  void fence() {
    fenced = true;
  }

  @Override
  public int depth() {
    return DEPTH;
  }

  @Override
  public void permit(WritePermit permit) {
    // Two sides of a pair may have this one image; each asks for itself.
  }

  @Override
  public void dropCache() {
    // One process, one cache.
  }

  @Override
  public void close() throws IOException {
    thread.shutdown();
    try {
      if (!thread.awaitTermination(10, TimeUnit.SECONDS)) {
        throw new IOException("requests in flight do not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      file.close();
    }
  }
}
