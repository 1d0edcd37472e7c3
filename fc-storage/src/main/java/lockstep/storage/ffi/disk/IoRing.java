package lockstep.storage.ffi.disk;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.List;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.io_cqring_offsets;
import lockstep.uapi.io_sqring_offsets;
import lockstep.uapi.io_uring_cqe;
import lockstep.uapi.io_uring_h;
import lockstep.uapi.io_uring_params;
import lockstep.uapi.io_uring_sqe;
import lockstep.uapi.iovec;
import lockstep.uapi.posix_h;

/**
 * One io_uring; io_uring(7). After {@link #enable} it belongs to the thread that called it, but for
 * {@link #close}, which comes after that thread's last call.
 */
final class IoRing implements AutoCloseable {
  private static final VarHandle INT = JAVA_INT.varHandle();

  /** One mapping for both rings, no lost completions, and IORING_OP_READ: Linux 5.6. */
  private static final int NEEDED_FEATURES =
      io_uring_h.IORING_FEAT_SINGLE_MMAP
          | io_uring_h.IORING_FEAT_NODROP
          | io_uring_h.IORING_FEAT_RW_CUR_POS;

  /**
   * Best first: completions are worked on when their owner asks (Linux 6.1), when it enters the
   * kernel anyhow (5.19), or by interrupting it (5.6).
   */
  private static final int[] FLAGS = {
    io_uring_h.IORING_SETUP_R_DISABLED
        | io_uring_h.IORING_SETUP_SINGLE_ISSUER
        | io_uring_h.IORING_SETUP_DEFER_TASKRUN,
    io_uring_h.IORING_SETUP_COOP_TASKRUN,
    0
  };

  /** Takes completions. */
  @FunctionalInterface
  interface Completions {
    /**
     * One request has ended.
     *
     * @param result not negative, or {@code -errno}
     */
    void completed(long userData, int result);
  }

  private final Arena arena;
  private final Fd fd;
  private final boolean disabled;
  private final MemorySegment errnoSlot;
  private final MemorySegment rings;
  private final MemorySegment entries;
  private final long submittedHead;
  private final long submittedTail;
  private final int submittedMask;
  private final long completedHead;
  private final long completedTail;
  private final int completedMask;
  private final long completedEntries;
  private final int capacity;
  private int tail;
  private int unsubmitted;

  private IoRing(Arena arena, Fd fd, MemorySegment parameters) throws SysException {
    this.arena = arena;
    this.fd = fd;
    errnoSlot = Sys.errnoSlot(arena);
    disabled = (io_uring_params.flags(parameters) & io_uring_h.IORING_SETUP_R_DISABLED) != 0;
    capacity = io_uring_params.sq_entries(parameters);
    MemorySegment submitted = io_uring_params.sq_off(parameters);
    MemorySegment completed = io_uring_params.cq_off(parameters);
    long index = Integer.toUnsignedLong(io_sqring_offsets.array(submitted));
    completedEntries = Integer.toUnsignedLong(io_cqring_offsets.cqes(completed));
    long bytes =
        Math.max(
            index + (long) capacity * Integer.BYTES,
            completedEntries + io_uring_params.cq_entries(parameters) * io_uring_cqe.sizeof());
    rings = map(bytes, io_uring_h.IORING_OFF_SQ_RING);
    entries = map(capacity * io_uring_sqe.sizeof(), io_uring_h.IORING_OFF_SQES);
    submittedHead = io_sqring_offsets.head(submitted);
    submittedTail = io_sqring_offsets.tail(submitted);
    submittedMask = rings.get(JAVA_INT, io_sqring_offsets.ring_mask(submitted));
    completedHead = io_cqring_offsets.head(completed);
    completedTail = io_cqring_offsets.tail(completed);
    completedMask = rings.get(JAVA_INT, io_cqring_offsets.ring_mask(completed));
    for (int i = 0; i < capacity; i++) {
      rings.set(JAVA_INT, index + (long) i * Integer.BYTES, i);
    }
  }

  /**
   * Asks the kernel for one.
   *
   * @param size how many requests may be under way
   * @throws SysException where the kernel has none or refuses it
   */
  static IoRing open(int size) throws SysException {
    Arena arena = Arena.ofShared();
    try {
      MemorySegment parameters = io_uring_params.allocate(arena);
      Fd fd = setup(size, parameters);
      try {
        if ((io_uring_params.features(parameters) & NEEDED_FEATURES) != NEEDED_FEATURES) {
          throw new SysException("io_uring_setup", "of an old kernel", posix_h.ENOSYS);
        }
        return new IoRing(arena, fd, parameters);
      } catch (SysException e) {
        fd.close();
        throw e;
      }
    } catch (SysException e) {
      arena.close();
      throw e;
    }
  }

  private static Fd setup(int size, MemorySegment parameters) throws SysException {
    long result = -posix_h.EINVAL;
    try (Arena call = Arena.ofConfined()) {
      MemorySegment errnoSlot = Sys.errnoSlot(call);
      for (int i = 0; i < FLAGS.length && result == -posix_h.EINVAL; i++) {
        parameters.fill((byte) 0);
        io_uring_params.flags(parameters, FLAGS[i]);
        // Safe: the kernel reads and writes one struct, for which there is room.
        result =
            Sys.call(errnoSlot, posix_h.SYS_io_uring_setup, size, parameters.address(), 0, 0, 0, 0);
      }
    }
    if (result < 0) {
      throw new SysException("io_uring_setup", "of this kernel", (int) -result);
    }
    return new Fd((int) result, "io_uring");
  }

  private MemorySegment map(long sizeBytes, long offset) throws SysException {
    return Posix.mmap(
        arena,
        sizeBytes,
        posix_h.PROT_READ | posix_h.PROT_WRITE,
        posix_h.MAP_SHARED | posix_h.MAP_POPULATE,
        fd.number(),
        offset,
        "io_uring");
  }

  /**
   * Has the kernel keep its hold of some memory, so that it need not look up each page of it for
   * each request: IORING_OP_READ_FIXED with the buffer's place in the list. Before {@link #enable}.
   *
   * @param buffers alive until the ring is closed
   * @return whether it does so; the memory that may be held so is limited (RLIMIT_MEMLOCK)
   */
  boolean register(List<MemorySegment> buffers) {
    MemorySegment vectors = iovec.allocateArray(buffers.size(), arena);
    for (int i = 0; i < buffers.size(); i++) {
      MemorySegment vector = iovec.asSlice(vectors, i);
      iovec.iov_base(vector, buffers.get(i));
      iovec.iov_len(vector, buffers.get(i).byteSize());
    }
    // Safe: as many structs as announced; what they name lives until the ring is closed.
    return Sys.call(
            errnoSlot,
            posix_h.SYS_io_uring_register,
            fd.number(),
            io_uring_h.IORING_REGISTER_BUFFERS,
            vectors.address(),
            buffers.size(),
            0,
            0)
        == 0;
  }

  /** Makes the calling thread the ring's owner. */
  void enable() throws SysException {
    if (!disabled) {
      return;
    }
    // Safe: no addresses.
    long result =
        Sys.call(
            errnoSlot,
            posix_h.SYS_io_uring_register,
            fd.number(),
            io_uring_h.IORING_REGISTER_ENABLE_RINGS,
            0,
            0,
            0,
            0);
    if (result < 0) {
      throw new SysException("io_uring_register", "enable", (int) -result);
    }
  }

  /**
   * The next entry, zeroed, to be filled in before {@link #enter}. What it names must live until
   * its completion.
   */
  MemorySegment next() {
    int head = (int) INT.getAcquire(rings, submittedHead);
    if (tail - head >= capacity) {
      throw new IllegalStateException("an io_uring of " + capacity + " is full");
    }
    MemorySegment entry = io_uring_sqe.asSlice(entries, tail & submittedMask);
    entry.fill((byte) 0);
    tail++;
    unsubmitted++;
    return entry;
  }

  /**
   * Submits what was filled in and, if told to, waits for a completion or a signal.
   *
   * @throws SysException when the kernel takes nothing any more
   */
  void enter(boolean wait) throws SysException {
    INT.setRelease(rings, submittedTail, tail);
    // Safe: no addresses; those in the entries are their owners' duty.
    long result =
        Sys.call(
            errnoSlot,
            posix_h.SYS_io_uring_enter,
            fd.number(),
            unsubmitted,
            wait ? 1 : 0,
            io_uring_h.IORING_ENTER_GETEVENTS,
            0,
            0);
    if (result >= 0) {
      unsubmitted -= (int) result;
    } else if (result != -posix_h.EINTR && result != -posix_h.EAGAIN && result != -posix_h.EBUSY) {
      throw new SysException("io_uring_enter", "of a disk", (int) -result);
    }
  }

  /** Hands over all completions that are there. */
  void reap(Completions to) {
    int head = rings.get(JAVA_INT, completedHead);
    int end = (int) INT.getAcquire(rings, completedTail);
    while (head != end) {
      long at = completedEntries + (head & completedMask) * io_uring_cqe.sizeof();
      MemorySegment completion = rings.asSlice(at, io_uring_cqe.sizeof());
      long userData = io_uring_cqe.user_data(completion);
      int result = io_uring_cqe.res(completion);
      head++;
      // The place is the kernel's again before anybody hears of it, and may submit.
      INT.setRelease(rings, completedHead, head);
      to.completed(userData, result);
    }
  }

  @Override
  public void close() {
    fd.close();
    arena.close();
  }
}
