package lockstep.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import lockstep.uapi.posix_h;

/** Checked wrappers for the calls that are made once in a while: each throws on failure. */
public final class Posix {
  private static final int AT_FDCWD = -100;

  private Posix() {}

  /** Opens a file; see open(2). */
  public static int open(String path, int flags) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      // Safe: a NUL-terminated string that lives until the call is back.
      MemorySegment name = arena.allocateFrom(path, StandardCharsets.UTF_8);
      return (int)
          checked(
              "open",
              path,
              posix_h.SYS_openat,
              AT_FDCWD,
              name.address(),
              flags | posix_h.O_CLOEXEC,
              0,
              0,
              0);
    }
  }

  /** Closes a descriptor; errors of close(2) have no remedy and are ignored. */
  public static void close(int fd) {
    raw(posix_h.SYS_close, fd, 0, 0, 0, 0, 0);
  }

  /** The calling thread's kernel id. */
  public static int gettid() {
    return (int) raw(posix_h.SYS_gettid, 0, 0, 0, 0, 0, 0);
  }

  /**
   * An ioctl whose argument is a number or the address of a live segment of the right size.
   *
   * @return the call's non-negative result
   */
  public static int ioctl(int fd, long request, long argument, String name, String subject)
      throws SysException {
    return (int) checked(name, subject, posix_h.SYS_ioctl, fd, request, argument, 0, 0, 0);
  }

  /** The same, returning {@code -errno} instead of throwing. */
  public static int ioctlRaw(int fd, long request, long argument) {
    return (int) raw(posix_h.SYS_ioctl, fd, request, argument, 0, 0, 0);
  }

  /** Maps memory; the segment is valid until {@link #munmap}. */
  @SuppressWarnings("restricted") // the size is the one that was mapped
  public static MemorySegment mmap(long size, int protection, int flags, int fd, String subject)
      throws SysException {
    long address = checked("mmap", subject, posix_h.SYS_mmap, 0, size, protection, flags, fd, 0);
    return MemorySegment.ofAddress(address).reinterpret(size);
  }

  /** Unmaps what {@link #mmap} returned; nobody may touch it afterwards. */
  public static void munmap(MemorySegment mapping) {
    raw(posix_h.SYS_munmap, mapping.address(), mapping.byteSize(), 0, 0, 0, 0);
  }

  /** Sends a signal to one thread; a thread that has ended is no error. */
  public static void tgkill(int processId, int threadId, int signal) {
    raw(posix_h.SYS_tgkill, processId, threadId, signal, 0, 0, 0);
  }

  /** Any system call, throwing on failure. */
  static long checked(
      String name, String subject, long number, long a, long b, long c, long d, long e, long f)
      throws SysException {
    long result = raw(number, a, b, c, d, e, f);
    if (result < 0) {
      throw new SysException(name, subject, (int) -result);
    }
    return result;
  }

  static long raw(long number, long a, long b, long c, long d, long e, long f) {
    try (Arena arena = Arena.ofConfined()) {
      return Sys.call(Sys.errnoSlot(arena), number, a, b, c, d, e, f);
    }
  }
}
