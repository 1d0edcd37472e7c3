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
 * pwrite}. Works on every kernel. Reads have threads of their own: a file system may let writes
 * wait for as long as it likes.
 */
public final class PoolEngine implements DiskEngine {
  private static final long CLOSE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private record Task(BlockRequest request, Consumer<BlockResult> completion) {}

  private final Medium medium;
  private final BlockingQueue<Optional<Task>> reads = new LinkedBlockingQueue<>();
  private final BlockingQueue<Optional<Task>> others = new LinkedBlockingQueue<>();
  private final List<Thread> threads = new ArrayList<>();

  /**
   * Starts the threads.
   *
   * @param name what the threads are called
   * @param readers how many reads are carried out at the same time; 0 for an engine that gets none
   * @param writers how many of all other requests
   */
  public PoolEngine(Medium medium, String name, int readers, int writers) throws SysException {
    this.medium = medium;
    try {
      for (int i = 0; i < readers + writers; i++) {
        Worker worker = new Worker(i < readers ? reads : others);
        threads.add(Thread.ofPlatform().daemon().name(name).start(worker));
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
    (request instanceof BlockRequest.Read ? reads : others)
        .add(Optional.of(new Task(request, completion)));
  }

  /** Lets every thread end behind what it has to do; waits for none. */
  void endAll() {
    for (Thread _ : threads) {
      reads.add(Optional.empty());
      others.add(Optional.empty());
    }
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
      throw new IOException(medium.subject() + ": interrupted before its requests ended", e);
    }
  }

  /** One thread with its buffer. */
  private final class Worker implements Runnable {
    private final BlockingQueue<Optional<Task>> tasks;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment errnoSlot = Sys.errnoSlot(arena);
    private final MemorySegment vector = iovec.allocate(arena);
    private final MemorySegment buffer;

    Worker(BlockingQueue<Optional<Task>> tasks) throws SysException {
      this.tasks = tasks;
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
        case BlockRequest.Flush _ ->
            medium.holds(request)
                ? new BlockResult.NotStarted(request.id())
                : result(request, "fdatasync", medium.flush(errnoSlot));
        case BlockRequest.Discard discard ->
            medium.holds(request)
                ? new BlockResult.NotStarted(request.id())
                : result(request, "discard", medium.discard(errnoSlot, discard));
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
                medium.fdFor(request.offsetBytes() + done, length - done),
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
        if (medium.holds(request)) {
          return new BlockResult.NotStarted(request.id());
        }
        // Safe: one struct, announced as one; the kernel reads what it names, all of it ours.
        long count =
            Sys.call(
                errnoSlot,
                posix_h.SYS_pwritev2,
                medium.fdFor(request.offsetBytes() + done, length - done),
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
