package lockstep.storage.ffi.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.ReadData;
import lockstep.monitor.state.Bytes;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.iovec;
import lockstep.uapi.posix_h;

/**
 * Some threads, each of which carries out one request at a time with {@code pread} and {@code
 * pwrite}. Works on every kernel.
 */
public final class PoolEngine implements DiskEngine {
  private static final long CLOSE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private record Task(BlockRequest request, Consumer<BlockResult> completion) {}

  private final Medium medium;
  private final BlockingQueue<Optional<Task>> tasks = new LinkedBlockingQueue<>();
  private final List<Thread> threads = new ArrayList<>();

  /**
   * Starts the threads.
   *
   * @param threadCount how many requests are carried out at the same time
   */
  public PoolEngine(Medium medium, int threadCount) throws SysException {
    this.medium = medium;
    try {
      for (int i = 0; i < threadCount; i++) {
        Worker worker = new Worker();
        threads.add(Thread.ofPlatform().daemon().name("disk-" + i).start(worker));
      }
    } catch (SysException e) {
      endAll();
      throw e;
    }
  }

  @Override
  public String name() {
    return "threads";
  }

  @Override
  public void start(BlockRequest request, Consumer<BlockResult> completion) {
    tasks.add(Optional.of(new Task(request, completion)));
  }

  private void endAll() {
    threads.forEach(_ -> tasks.add(Optional.empty()));
  }

  @Override
  public void close() throws IOException {
    endAll();
    long until = System.nanoTime() + CLOSE_NANOS;
    try {
      for (Thread thread : threads) {
        if (!thread.join(Duration.ofNanos(Math.max(1, until - System.nanoTime())))) {
          throw new IOException(medium.subject() + ": requests did not end in time");
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(medium.subject() + ": told to end before its requests were", e);
    }
  }

  /** One thread with its buffer. */
  private final class Worker implements Runnable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment errnoSlot = Sys.errnoSlot(arena);
    private final MemorySegment vector = iovec.allocate(arena);
    private final MemorySegment buffer;

    Worker() throws SysException {
      try {
        buffer = medium.buffer(arena);
      } catch (SysException e) {
        arena.close();
        throw e;
      }
    }

    @Override
    public void run() {
      try {
        Optional<Task> task = tasks.take();
        while (task.isPresent()) {
          Task present = task.get();
          BlockResult result = carryOut(present.request());
          present.completion().accept(result);
          if (result instanceof BlockResult.Done(_, ReadData.Lent lent)) {
            lent.takeBack();
          }
          task = tasks.take();
        }
      } catch (InterruptedException e) {
        // Nobody interrupts these threads; an end all the same.
        Thread.currentThread().interrupt();
      } finally {
        arena.close();
      }
    }

    private BlockResult carryOut(BlockRequest request) {
      return switch (request) {
        case BlockRequest.Read read -> read(read);
        case BlockRequest.Write write -> write(write);
        case BlockRequest.Flush _ -> result(request, "fdatasync", medium.flush(errnoSlot));
        case BlockRequest.Discard discard ->
            result(request, "discard", medium.discard(errnoSlot, discard));
      };
    }

    private BlockResult result(BlockRequest request, String call, long result) {
      return result < 0
          ? medium.failure(request.id(), call, (int) -result)
          : new BlockResult.Done(request.id(), Bytes.empty());
    }

    private BlockResult read(BlockRequest.Read request) {
      int length = request.lengthBytes();
      int done = 0;
      while (done < length) {
        // Safe: the kernel writes at most what is left of the request, for which there is room.
        long count =
            Sys.call(
                errnoSlot,
                posix_h.SYS_pread64,
                medium.fd().number(),
                buffer.address() + done,
                length - done,
                request.offsetBytes() + done,
                0,
                0);
        if (count == 0) {
          return medium.shorter(request.id());
        }
        if (count < 0 && count != -posix_h.EINTR) {
          return medium.failure(request.id(), "read", (int) -count);
        }
        done += (int) Math.max(0, count);
      }
      return new BlockResult.Done(
          request.id(), new ReadData.Lent(buffer.asSlice(0, length).asByteBuffer()));
    }

    private BlockResult write(BlockRequest.Write request) {
      int length = request.data().size();
      request.data().putInto(buffer.asByteBuffer());
      int done = 0;
      while (done < length) {
        MemorySegment left = buffer.asSlice(done, length - done);
        iovec.iov_base(vector, left);
        iovec.iov_len(vector, left.byteSize());
        // Safe: one struct, announced as one; the kernel reads what it names, all of it ours.
        long count =
            Sys.call(
                errnoSlot,
                posix_h.SYS_pwritev2,
                medium.fd().number(),
                vector.address(),
                1,
                request.offsetBytes() + done,
                0,
                request.fua() ? posix_h.RWF_DSYNC : 0);
        if (count == 0) {
          return medium.failure(request.id(), "write", posix_h.EIO);
        }
        if (count < 0 && count != -posix_h.EINTR) {
          return medium.failure(request.id(), "write", (int) -count);
        }
        done += (int) Math.max(0, count);
      }
      return new BlockResult.Done(request.id(), Bytes.empty());
    }
  }
}
