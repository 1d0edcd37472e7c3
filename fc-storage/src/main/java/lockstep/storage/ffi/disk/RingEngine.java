package lockstep.storage.ffi.disk;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.ReadData;
import lockstep.monitor.state.Bytes;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.io_uring_h;
import lockstep.uapi.io_uring_sqe;
import lockstep.uapi.posix_h;
import org.jspecify.annotations.Nullable;

/**
 * One thread with an io_uring: it takes requests from a queue, submits all that are there with one
 * system call and waits in the same one for completions. Only that thread enters the kernel for the
 * ring: a completion is worked on in the context of who submitted it, and the vCPU thread must not
 * be drawn out of the guest by that.
 *
 * <p>Writes into the page cache are the matter of {@link OwnWrites} while they are quick, and
 * discards that of a thread of their own.
 */
public final class RingEngine implements DiskEngine {
  private static final Duration CLOSE_TIME = Duration.ofSeconds(30);
  private static final long WAKE = -1;

  /**
   * What the kernel holds of each buffer for direct transfers: 2 MiB in all, of the 8 MiB that a
   * process usually may have held. Larger requests have their pages looked up.
   */
  private static final int HELD_BYTES = 64 << 10;

  private record Task(BlockRequest request, Consumer<BlockResult> completion) {}

  /** What one request under way needs. The loop's. */
  private static final class Slot {
    private final int index;
    private final MemorySegment buffer;
    private final ByteBuffer content;
    private @Nullable Task task;
    private int done;

    /** For its next submission. */
    private int flags;

    Slot(int index, MemorySegment buffer) {
      this.index = index;
      this.buffer = buffer;
      this.content = buffer.asByteBuffer();
    }

    Task task() {
      Task present = task;
      if (present == null) {
        throw new IllegalStateException("a completion without a request");
      }
      return present;
    }
  }

  private final Medium medium;
  private final IoRing ring;
  private final Arena arena = Arena.ofShared();
  private final Slot[] slots;

  /** The loop's: slots without a request, the one that was used last on top. */
  private final ArrayDeque<Slot> free = new ArrayDeque<>();

  /** The loop's: slots whose data is in place, about to be submitted. */
  private final ArrayDeque<Slot> ready = new ArrayDeque<>();

  /** Of how long requests the kernel holds the buffer already. */
  private final int heldBytes;

  private final PoolEngine discards;
  private final OwnWrites ownWrites;
  private final ConcurrentLinkedQueue<Task> tasks = new ConcurrentLinkedQueue<>();
  private volatile boolean stopping;

  /** Set by the loop before it sleeps, taken back by whoever wakes it. */
  private final AtomicBoolean asleep = new AtomicBoolean();

  private final Object wakeLock = new Object();
  private final Fd wake;
  private final MemorySegment wakeCount;
  private final MemorySegment one;

  /** Of who has the lock. */
  private final MemorySegment wakeErrno;

  private final IoRing.Completions ended = this::completed;
  private boolean wakeArmed;
  private boolean ending;
  private volatile boolean broken;
  private final Thread loop;

  /**
   * Sets up a ring and starts the thread.
   *
   * @param depth how many requests may be under way; others wait in the queue
   * @throws SysException where the kernel has no ring for us, or no memory
   */
  public RingEngine(Medium medium, int depth) throws SysException {
    this.medium = medium;
    // One more: who hears of a completion may submit while that one's buffer is still in use.
    int slotCount = depth + 1;
    this.slots = new Slot[slotCount];
    this.ring = IoRing.open(slotCount + 1);
    try {
      for (int i = 0; i < slotCount; i++) {
        slots[i] = new Slot(i, medium.buffer(arena));
        free.add(slots[i]);
      }
      this.heldBytes = medium.caching() == Medium.Caching.NONE && holdBuffers() ? HELD_BYTES : 0;
      this.wake = Posix.eventfd(0);
      try {
        // The kernel has no discard in a ring before Linux 6.12.
        this.discards = new PoolEngine(medium, "disk-discards", 0, 1);
        this.ownWrites = ownWrites(medium);
      } catch (SysException e) {
        wake.close();
        throw e;
      }
    } catch (SysException e) {
      ring.close();
      arena.close();
      throw e;
    }
    this.wakeCount = arena.allocate(JAVA_LONG);
    this.one = arena.allocateFrom(JAVA_LONG, 1);
    this.wakeErrno = Sys.errnoSlot(arena);
    this.loop = Thread.ofPlatform().daemon().name("disk-ring").start(this::run);
  }

  private OwnWrites ownWrites(Medium of) throws SysException {
    try {
      return new OwnWrites(of);
    } catch (SysException e) {
      discards.endAll();
      throw e;
    }
  }

  private boolean holdBuffers() {
    List<MemorySegment> fronts = new ArrayList<>();
    for (Slot slot : slots) {
      fronts.add(slot.buffer.asSlice(0, HELD_BYTES));
    }
    return ring.register(fronts);
  }

  /** Why this kernel gives this process no io_uring; empty if it does. */
  public static Optional<String> refusal() {
    try {
      IoRing.open(1).close();
      return Optional.empty();
    } catch (SysException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  @Override
  public String name() {
    return "io_uring";
  }

  @Override
  public void start(BlockRequest request, Consumer<BlockResult> completion) {
    if (request instanceof BlockRequest.Discard) {
      discards.start(request, completion);
      return;
    }
    if (ownWrites.take(request, completion)) {
      return;
    }
    Task task = new Task(request, completion);
    if (Thread.currentThread() == loop && !free.isEmpty()) {
      // From a completion: the loop submits it with what else came up meanwhile.
      take(task);
      return;
    }
    tasks.add(task);
    wakeIfAsleep();
  }

  private void wakeIfAsleep() {
    if (asleep.get() && asleep.compareAndSet(true, false)) {
      wake();
    }
  }

  private void wake() {
    // The lock keeps the descriptor from being closed under this write.
    synchronized (wakeLock) {
      if (!wake.isClosed()) {
        // Safe: the kernel reads 8 bytes that live as long as the descriptor.
        Sys.call(wakeErrno, posix_h.SYS_write, wake.number(), one.address(), Long.BYTES, 0, 0, 0);
      }
    }
  }

  private void run() {
    try {
      ring.enable();
      while (!isOver()) {
        turn();
      }
    } catch (SysException e) {
      failAll(String.valueOf(e.getMessage()));
    }
  }

  private boolean isOver() {
    // The read that waits for a wake ends too: its memory must not go before it.
    return ending && free.size() == slots.length && !wakeArmed && tasks.isEmpty();
  }

  /** A method, because the JVM is late to compile a loop that is entered once. */
  private void turn() throws SysException {
    takeAll();
    submitReady();
    asleep.set(true);
    // Whoever adds after this look finds the flag set.
    ring.enter(ready.isEmpty() && (free.isEmpty() || nothingNew()));
    asleep.set(false);
    ring.reap(ended);
  }

  private boolean nothingNew() {
    return tasks.isEmpty() && (ending || !stopping);
  }

  private void takeAll() {
    if (!wakeArmed && !ending) {
      wakeArmed = true;
      MemorySegment entry = ring.next();
      io_uring_sqe.opcode(entry, (byte) io_uring_h.IORING_OP_READ);
      io_uring_sqe.fd(entry, wake.number());
      io_uring_sqe.addr(entry, wakeCount.address());
      io_uring_sqe.len(entry, Long.BYTES);
      io_uring_sqe.user_data(entry, WAKE);
    }
    if (stopping && !ending) {
      // Ends the read, too.
      ending = true;
      wake();
    }
    while (!free.isEmpty()) {
      Task task = tasks.poll();
      if (task == null) {
        return;
      }
      take(task);
    }
  }

  /** Gives a request a slot, and its data the slot's buffer. */
  private void take(Task task) {
    Slot slot = free.pop();
    slot.task = task;
    slot.done = 0;
    if (task.request() instanceof BlockRequest.Write write) {
      write.data().putInto(slot.content.clear());
    }
    isReady(slot, 0);
  }

  private void isReady(Slot slot, int flags) {
    slot.flags = flags;
    ready.add(slot);
  }

  /**
   * Submits what is ready, each after a last look at the permit. A step of its own: to copy the
   * data of all of them takes long, and only the system call follows on this.
   */
  private void submitReady() {
    // Not more: what may not start may be asked for again at once, by its completion.
    for (int left = ready.size(); left > 0; left--) {
      Slot slot = ready.remove();
      if (medium.holds(slot.task().request())) {
        end(slot, new BlockResult.NotStarted(slot.task().request().id()));
        slot.task = null;
        free.push(slot);
      } else {
        submit(slot);
      }
    }
  }

  /** Submits what is left of a slot's request. */
  private void submit(Slot slot) {
    MemorySegment entry = ring.next();
    io_uring_sqe.fd(entry, medium.fd().number());
    io_uring_sqe.flags(entry, (byte) slot.flags);
    io_uring_sqe.user_data(entry, slot.index);
    switch (slot.task().request()) {
      case BlockRequest.Read read -> {
        place(entry, slot, read.offsetBytes(), read.lengthBytes());
        if (read.lengthBytes() <= heldBytes) {
          hold(entry, slot, io_uring_h.IORING_OP_READ_FIXED);
        } else {
          io_uring_sqe.opcode(entry, (byte) io_uring_h.IORING_OP_READ);
        }
      }
      case BlockRequest.Write write -> {
        place(entry, slot, write.offsetBytes(), write.data().size());
        io_uring_sqe.rw_flags(entry, write.fua() ? posix_h.RWF_DSYNC : 0);
        if (write.data().size() <= heldBytes) {
          hold(entry, slot, io_uring_h.IORING_OP_WRITE_FIXED);
        } else {
          io_uring_sqe.opcode(entry, (byte) io_uring_h.IORING_OP_WRITE);
        }
      }
      case BlockRequest.Flush _ -> {
        io_uring_sqe.opcode(entry, (byte) io_uring_h.IORING_OP_FSYNC);
        io_uring_sqe.fsync_flags(entry, io_uring_h.IORING_FSYNC_DATASYNC);
      }
      case BlockRequest.Discard _ -> throw new IllegalStateException("a discard in the ring");
    }
  }

  /** The buffer is this slot's until its completion, and has room for the largest request. */
  private void place(MemorySegment entry, Slot slot, long offset, int length) {
    io_uring_sqe.fd(entry, medium.fdFor(offset + slot.done, length - slot.done));
    io_uring_sqe.off(entry, offset + slot.done);
    io_uring_sqe.addr(entry, slot.buffer.address() + slot.done);
    io_uring_sqe.len(entry, length - slot.done);
  }

  /** A transfer that ends within what the kernel holds of the buffer, known by the slot's place. */
  private static void hold(MemorySegment entry, Slot slot, int opcode) {
    io_uring_sqe.opcode(entry, (byte) opcode);
    io_uring_sqe.buf_index(entry, (short) slot.index);
  }

  private void completed(long userData, int result) {
    if (userData == WAKE) {
      wakeArmed = false;
      return;
    }
    Slot slot = slots[(int) userData];
    BlockRequest request = slot.task().request();
    if (result == -posix_h.EINTR || result == -posix_h.EAGAIN) {
      // On a thread of the kernel, which may wait for what there was too little of.
      isReady(slot, io_uring_h.IOSQE_ASYNC);
      return;
    }
    int length =
        switch (request) {
          case BlockRequest.Read read -> read.lengthBytes();
          case BlockRequest.Write write -> write.data().size();
          case BlockRequest.Flush _, BlockRequest.Discard _ -> 0;
        };
    if (result > 0 && slot.done + result < length) {
      slot.done += result;
      isReady(slot, 0);
      return;
    }
    if (result > 0 && request instanceof BlockRequest.Read) {
      ReadData.Lent data = new ReadData.Lent(slot.content.slice(0, length));
      end(slot, new BlockResult.Done(request.id(), data));
      data.takeBack();
    } else {
      end(slot, outcome(request, length, result));
    }
    slot.task = null;
    free.push(slot);
  }

  private BlockResult outcome(BlockRequest request, int length, int result) {
    boolean read = request instanceof BlockRequest.Read;
    if (result < 0) {
      String call = length == 0 ? "fdatasync" : read ? "read" : "write";
      return medium.failure(request.id(), call, -result);
    }
    if (length > 0 && result == 0) {
      return read
          ? medium.shorter(request.id())
          : medium.failure(request.id(), "write", posix_h.EIO);
    }
    return new BlockResult.Done(request.id(), Bytes.empty());
  }

  private static void end(Slot slot, BlockResult result) {
    slot.task().completion().accept(result);
  }

  /** The ring is broken: everything fails from now on. Its memory stays, the kernel may use it. */
  private void failAll(String reason) {
    broken = true;
    for (Slot slot : slots) {
      Task task = slot.task;
      if (task != null) {
        fail(task, reason);
      }
    }
    // Nothing has a slot from now on, not even what a completion submits.
    free.clear();
    while (!stopping) {
      for (Task task = tasks.poll(); task != null; task = tasks.poll()) {
        fail(task, reason);
      }
      asleep.set(true);
      if (tasks.isEmpty() && !stopping) {
        LockSupport.park(this);
      }
    }
  }

  private void fail(Task task, String reason) {
    task.completion()
        .accept(new BlockResult.Failed(task.request().id(), medium.subject() + ": " + reason));
  }

  @Override
  public void close() throws IOException {
    discards.close();
    ownWrites.close();
    stopping = true;
    wakeIfAsleep();
    try {
      if (!loop.join(CLOSE_TIME)) {
        throw new IOException(medium.subject() + ": requests did not end in time");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(medium.subject() + ": interrupted before its requests ended", e);
    }
    if (broken) {
      throw new IOException(medium.subject() + ": io_uring failed");
    }
    synchronized (wakeLock) {
      wake.close();
    }
    ring.close();
    arena.close();
  }
}
