package lockstep.storage.ffi.disk;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.WritePermit;
import lockstep.sys.Errno;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.block_h;
import lockstep.uapi.posix_h;

/**
 * An open file or block device.
 *
 * @param fds its descriptors; closed by whoever opened them
 * @param subject what it is, for people
 * @param discard how it gives back blocks
 * @param caching what of it this host keeps in memory
 * @param permit whether requests that change it may reach it; asked right before each system call
 */
public record Medium(
    Fds fds, String subject, Discard discard, Caching caching, ExchangedPermit permit) {
  /** Buffers are page-aligned at least: every direct-I/O path takes that. */
  private static final int PAGE_BYTES = 4096;

  /**
   * The descriptors of one file or device.
   *
   * @param usual for every request that is a multiple of {@code alignmentBytes}
   * @param unaligned for the others; the same one where there are none
   * @param alignmentBytes what direct transfers must be a multiple of, in memory as well; a power
   *     of two
   */
  public record Fds(Fd usual, Fd unaligned, int alignmentBytes) implements AutoCloseable {
    /** One for all requests. */
    public static Fds one(Fd fd, int alignmentBytes) {
      return new Fds(fd, fd, alignmentBytes);
    }

    @Override
    public void close() {
      usual.close();
      unaligned.close();
    }
  }

  /** What of a medium is in this host's memory. */
  public enum Caching {
    /** Reads and completed writes, until a flush. */
    WRITE_BACK,
    /** Reads; a write is done when the storage has it. */
    WRITE_THROUGH,
    /** Nothing. */
    NONE
  }

  /** How a medium gives back blocks. */
  public enum Discard {
    /** Not at all. */
    NONE,
    /** A hole is made in the file. */
    PUNCH_HOLE,
    /** The device is told. */
    BLOCK_DEVICE
  }

  /** The size of a block device. Bytes. */
  public static long deviceSizeBytes(Fd fd) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment number = arena.allocate(JAVA_LONG);
      // Safe: the kernel writes one u64, for which there is room.
      Posix.ioctl(fd, block_h.BLKGETSIZE64, number.address(), "BLKGETSIZE64");
      return number.get(JAVA_LONG, 0);
    }
  }

  /** The smallest unit that a block device transfers. Bytes. */
  public static int logicalBlockBytes(Fd fd) throws SysException {
    return number(fd, block_h.BLKSSZGET, "BLKSSZGET");
  }

  /** The smallest unit that a block device writes without reading first. Bytes. */
  public static int physicalBlockBytes(Fd fd) throws SysException {
    return number(fd, block_h.BLKPBSZGET, "BLKPBSZGET");
  }

  /** Whether a block device refuses writes. */
  public static boolean deviceReadOnly(Fd fd) throws SysException {
    return number(fd, block_h.BLKROGET, "BLKROGET") != 0;
  }

  /**
   * Whether a file's file system makes holes: asked behind its end, where none changes anything.
   */
  public static boolean canPunchHoles(Fd fd, long sizeBytes) {
    try (Arena arena = Arena.ofConfined()) {
      return punch(Sys.errnoSlot(arena), fd, sizeBytes, PAGE_BYTES) == 0;
    }
  }

  private static long punch(MemorySegment errnoSlot, Fd fd, long offset, long length) {
    int mode = posix_h.FALLOC_FL_PUNCH_HOLE | posix_h.FALLOC_FL_KEEP_SIZE;
    // Safe: no addresses.
    return Sys.call(errnoSlot, posix_h.SYS_fallocate, fd.number(), mode, offset, length, 0, 0);
  }

  private static int number(Fd fd, long request, String name) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment number = arena.allocate(JAVA_LONG);
      // Safe: the kernel writes one int, for which there is room.
      Posix.ioctl(fd, request, number.address(), name);
      return number.get(JAVA_INT, 0);
    }
  }

  /** The descriptor that is always there. */
  public Fd fd() {
    return fds.usual();
  }

  /** The number of the descriptor that takes a transfer. */
  int fdFor(long offsetBytes, int lengthBytes) {
    boolean aligned = ((offsetBytes | lengthBytes) & (fds.alignmentBytes() - 1)) == 0;
    return (aligned ? fds.usual() : fds.unaligned()).number();
  }

  /** Whether a request may not reach the medium now; asked right before the system call. */
  boolean holds(BlockRequest request) {
    return request.changes() && permit.now() != WritePermit.Answer.START;
  }

  /**
   * Drops what the page cache has of a file; what was written and not flushed stays in it.
   *
   * @throws SysException when the kernel refuses
   */
  public void dropCache() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      // Safe: no addresses; the whole file.
      long result =
          Sys.call(
              Sys.errnoSlot(arena),
              posix_h.SYS_fadvise64,
              fd().number(),
              0,
              0,
              posix_h.POSIX_FADV_DONTNEED,
              0,
              0);
      if (result < 0) {
        throw new SysException("posix_fadvise", subject, (int) -result);
      }
    }
  }

  /** Brings what was written onto the medium; waits for it. */
  public void flush() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      long result = flush(Sys.errnoSlot(arena));
      if (result < 0) {
        throw new SysException("fdatasync", subject, (int) -result);
      }
    }
  }

  /** The same; 0 or {@code -errno}. */
  long flush(MemorySegment errnoSlot) {
    // Safe: no addresses.
    return Sys.call(errnoSlot, posix_h.SYS_fdatasync, fd().number(), 0, 0, 0, 0, 0);
  }

  /** Gives back blocks; 0 or {@code -errno}. */
  long discard(MemorySegment errnoSlot, BlockRequest.Discard request) {
    long offset = request.offsetBytes();
    long length = request.lengthBytes();
    return switch (discard) {
      case NONE -> -posix_h.EOPNOTSUPP;
      case PUNCH_HOLE -> punch(errnoSlot, fd(), offset, length);
      case BLOCK_DEVICE -> {
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment range = arena.allocateFrom(JAVA_LONG, offset, length);
          // Safe: the kernel reads two u64, which live until the call is back.
          yield Sys.call(
              errnoSlot,
              posix_h.SYS_ioctl,
              fd().number(),
              block_h.BLKDISCARD,
              range.address(),
              0,
              0,
              0);
        }
      }
    };
  }

  /**
   * Room for one transfer, aligned as this medium wants it; takes no memory before it is used.
   *
   * @param arena its lifetime
   */
  MemorySegment buffer(Arena arena) throws SysException {
    int alignment = Math.max(PAGE_BYTES, fds.alignmentBytes());
    MemorySegment mapped =
        Posix.mmap(
            arena,
            BlockRequest.MAX_TRANSFER_BYTES + (long) alignment,
            posix_h.PROT_READ | posix_h.PROT_WRITE,
            posix_h.MAP_PRIVATE | posix_h.MAP_ANONYMOUS,
            -1,
            "buffer of " + subject);
    long skip = -mapped.address() & (alignment - 1);
    return mapped.asSlice(skip, BlockRequest.MAX_TRANSFER_BYTES);
  }

  /**
   * What a failed call means. Linux answers EBADE when a device refuses because of a reservation.
   *
   * @param errno positive
   */
  BlockResult failure(long id, String call, int errno) {
    String reason = "%s: %s: %s".formatted(subject, call, Errno.describe(errno));
    return errno == posix_h.EBADE
        ? new BlockResult.Fenced(id, reason + "; another host has taken it")
        : new BlockResult.Failed(id, reason);
  }

  /** A read behind the end of a medium that was larger. */
  BlockResult shorter(long id) {
    return new BlockResult.Failed(id, subject + " is shorter than it was");
  }
}
