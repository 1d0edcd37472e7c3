package lockstep.storage;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.state.Bytes;

/**
 * A disk that is a file, byte for byte. A few threads carry out requests with positional reads and
 * writes; a flush is {@code fdatasync}.
 */
public final class FileDisk implements BlockDevice {
  private static final int BLOCK_BYTES = 512;
  private static final int THREADS = 4;
  private static final int DEPTH = 32;
  private static final long CLOSE_SECONDS = 30;

  private final Path path;
  private final FileChannel file;
  private final Geometry geometry;
  private final Semaphore free = new Semaphore(DEPTH);
  private final ExecutorService workers;
  private volatile boolean closed;

  private FileDisk(Path path, FileChannel file, Geometry geometry) {
    this.path = path;
    this.file = file;
    this.geometry = geometry;
    this.workers =
        Executors.newFixedThreadPool(
            THREADS, Thread.ofPlatform().daemon().name("file-disk-", 0).factory());
  }

  /**
   * Opens an image; a file that may not be written is a read-only disk.
   *
   * @throws IOException when there is none, or its size is not that of a disk; one line
   */
  public static FileDisk open(Path path) throws IOException {
    if (!Files.isRegularFile(path)) {
      throw new IOException(
          "disk image " + path + (Files.exists(path) ? " is no regular file" : ": no such file"));
    }
    boolean readOnly = !Files.isWritable(path);
    FileChannel file;
    try {
      file =
          readOnly
              ? FileChannel.open(path, StandardOpenOption.READ)
              : FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
    } catch (NoSuchFileException e) {
      throw new IOException("disk image " + path + ": no such file", e);
    }
    try {
      long size = file.size();
      if (size < BLOCK_BYTES || size % BLOCK_BYTES != 0) {
        throw new IOException(
            "disk image %s has %d bytes, which is not a whole number of blocks of %d"
                .formatted(path, size, BLOCK_BYTES));
      }
      return new FileDisk(path, file, new Geometry(size, BLOCK_BYTES, readOnly, false));
    } catch (IOException e) {
      file.close();
      throw e;
    }
  }

  /**
   * Makes an image of zeros, which takes no room until it is written.
   *
   * @throws IOException when there is something of that name
   */
  public static void create(Path path, long sizeBytes) throws IOException {
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      file.write(ByteBuffer.wrap(new byte[1]), sizeBytes - 1);
    }
  }

  @Override
  public Geometry geometry() {
    return geometry;
  }

  @Override
  public int depth() {
    return DEPTH;
  }

  @Override
  public void submit(BlockRequest request, Consumer<BlockResult> completion) {
    check(request);
    if (closed || !free.tryAcquire()) {
      throw new IllegalStateException(
          closed ? "disk image " + path + " is closed" : DEPTH + " requests are in flight");
    }
    workers.execute(
        () -> {
          BlockResult result;
          try {
            result = new BlockResult.Done(request.id(), carryOut(request));
          } catch (IOException | UncheckedIOException e) {
            result = new BlockResult.Failed(request.id(), "disk image " + path + ": " + e);
          }
          free.release();
          completion.accept(result);
        });
  }

  private void check(BlockRequest request) {
    switch (request) {
      case BlockRequest.Read read -> check(read.offsetBytes(), read.lengthBytes());
      case BlockRequest.Write write -> {
        check(write.offsetBytes(), write.data().size());
        if (geometry.readOnly()) {
          throw new IllegalArgumentException("disk image " + path + " is read-only");
        }
      }
      case BlockRequest.Flush _ -> {
        // Always fits.
      }
      case BlockRequest.Discard _ ->
          throw new IllegalArgumentException("disk image " + path + " cannot discard");
    }
  }

  private void check(long offset, long length) {
    if ((offset | length) % BLOCK_BYTES != 0 || offset + length > geometry.capacityBytes()) {
      throw new IllegalArgumentException(
          "disk image %s: %d bytes at %d".formatted(path, length, offset));
    }
  }

  private Bytes carryOut(BlockRequest request) throws IOException {
    switch (request) {
      case BlockRequest.Read read -> {
        ByteBuffer into = ByteBuffer.allocate(read.lengthBytes());
        while (into.hasRemaining()) {
          if (file.read(into, read.offsetBytes() + into.position()) < 0) {
            throw new IOException("is shorter than it was");
          }
        }
        return Bytes.copyOf(into.array());
      }
      case BlockRequest.Write write -> {
        ByteBuffer from = ByteBuffer.wrap(write.data().toArray());
        while (from.hasRemaining()) {
          file.write(from, write.offsetBytes() + from.position());
        }
        if (write.fua()) {
          file.force(false);
        }
      }
      case BlockRequest.Flush _ -> file.force(false);
      case BlockRequest.Discard _ -> throw new IOException("cannot discard");
    }
    return Bytes.empty();
  }

  @Override
  public void close() throws IOException {
    closed = true;
    workers.shutdown();
    try {
      if (!workers.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        throw new IOException("disk image " + path + ": requests did not end in time");
      }
      if (!geometry.readOnly()) {
        file.force(false);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      file.close();
    }
  }
}
