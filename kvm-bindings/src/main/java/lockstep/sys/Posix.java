package lockstep.sys;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import lockstep.uapi.perf_event_h;
import lockstep.uapi.pollfd;
import lockstep.uapi.posix_h;

/**
 * Checked wrappers for the calls that are made once in a while: each throws on failure. Those that
 * move bytes copy them through memory of their own, so no address of a Java array ever escapes.
 */
public final class Posix {
  private Posix() {}

  /**
   * Opens a file, close-on-exec; see open(2).
   *
   * @param flags O_*, without O_CREAT
   */
  public static Fd open(String path, int flags) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      // Safe: a NUL-terminated string that lives until the call is back.
      long name = arena.allocateFrom(path, StandardCharsets.UTF_8).address();
      int closeOnExec = flags | posix_h.O_CLOEXEC;
      return new Fd(
          (int)
              checked(
                  "open", path, posix_h.SYS_openat, posix_h.AT_FDCWD, name, closeOnExec, 0, 0, 0),
          path);
    }
  }

  /** The calling thread's kernel id. */
  public static int gettid() {
    // Safe: no arguments.
    return (int) raw(posix_h.SYS_gettid, 0, 0, 0, 0, 0, 0);
  }

  /**
   * An ioctl whose argument is a number or the address of a live segment of the right size.
   *
   * @param name the request's C name
   * @return the call's non-negative result
   */
  public static int ioctl(Fd fd, long request, long argument, String name) throws SysException {
    return (int)
        checked(name, fd.subject(), posix_h.SYS_ioctl, fd.number(), request, argument, 0, 0, 0);
  }

  /**
   * Maps memory for as long as {@code arena} lives; closing the arena unmaps it.
   *
   * @param sizeBytes more than 0
   * @param fd what to map from offset 0, or -1 for MAP_ANONYMOUS
   */
  public static MemorySegment mmap(
      Arena arena, long sizeBytes, int protection, int flags, int fd, String subject)
      throws SysException {
    return mmap(arena, sizeBytes, protection, flags, fd, 0, subject);
  }

  /** The same from another offset in the file. */
  @SuppressWarnings("restricted") // the size is the one that was mapped
  public static MemorySegment mmap(
      Arena arena, long sizeBytes, int protection, int flags, int fd, long offset, String subject)
      throws SysException {
    // Safe: the kernel chooses the address, so nothing that is mapped already is touched; nobody
    // can reach the segment once the arena is closed, and closing it is what unmaps.
    long address =
        checked("mmap", subject, posix_h.SYS_mmap, 0, sizeBytes, protection, flags, fd, offset);
    return MemorySegment.ofAddress(address)
        .reinterpret(
            sizeBytes, arena, s -> raw(posix_h.SYS_munmap, s.address(), sizeBytes, 0, 0, 0, 0));
  }

  /** Advises the kernel about a whole mapping: MADV_*; see madvise(2). */
  public static void madvise(MemorySegment mapping, int advice, String subject)
      throws SysException {
    // Safe: a live mapping; MADV_DONTNEED at worst reads as zeroes afterwards.
    checked(
        "madvise",
        subject,
        posix_h.SYS_madvise,
        mapping.address(),
        mapping.byteSize(),
        advice,
        0,
        0,
        0);
  }

  /** The calling thread's nice value, -20 to 19; new threads have that of who starts them. */
  public static int nice() {
    // Safe: no addresses. The system call gives 20 less it, so that it is never negative.
    return 20 - (int) raw(posix_h.SYS_getpriority, posix_h.PRIO_PROCESS, 0, 0, 0, 0, 0);
  }

  /**
   * Changes how much of a busy CPU the calling thread gets; see setpriority(2).
   *
   * @param nice -20, which goes first, to 19
   * @return whether the kernel lets it: less than 0 takes root, CAP_SYS_NICE or RLIMIT_NICE
   */
  public static boolean nice(int nice) {
    // Safe: no addresses. On Linux a thread has a value of its own, and 0 is the caller.
    return raw(posix_h.SYS_setpriority, posix_h.PRIO_PROCESS, 0, nice, 0, 0, 0) == 0;
  }

  /**
   * Has a thread run before all ordinary ones, whatever the load, or as an ordinary one again; see
   * sched(7). Threads that it starts are ordinary.
   *
   * @return whether the kernel lets it: it takes root, CAP_SYS_NICE or RLIMIT_RTPRIO
   */
  public static boolean realTime(int threadId, boolean on) {
    try (Arena arena = Arena.ofConfined()) {
      // A sched_param is one int: the lowest real-time priority, or none.
      MemorySegment priority = arena.allocateFrom(JAVA_INT, on ? 1 : 0);
      int policy = on ? posix_h.SCHED_RR | posix_h.SCHED_RESET_ON_FORK : posix_h.SCHED_OTHER;
      // Safe: the kernel reads one int, alive until the call is back.
      return raw(posix_h.SYS_sched_setscheduler, threadId, policy, priority.address(), 0, 0, 0)
          == 0;
    }
  }

  /** Sends a signal to one thread; a thread that has ended is no error. */
  public static void tgkill(int processId, int threadId, int signal) {
    // Safe: no addresses; the ids are checked by the kernel.
    raw(posix_h.SYS_tgkill, processId, threadId, signal, 0, 0, 0);
  }

  /** Makes an event counter, close-on-exec; see eventfd(2). */
  public static Fd eventfd(int flags) throws SysException {
    // Safe: no addresses.
    return new Fd(
        (int)
            checked(
                "eventfd", "new", posix_h.SYS_eventfd2, 0, flags | posix_h.EFD_CLOEXEC, 0, 0, 0, 0),
        "eventfd");
  }

  /**
   * A second descriptor, close-on-exec and above the standard ones, for what a number leads to; see
   * fcntl(2), F_DUPFD_CLOEXEC.
   */
  public static Fd duplicate(int number, String subject) throws SysException {
    int command = posix_h.F_DUPFD_CLOEXEC;
    // Safe: no addresses.
    return new Fd(
        (int) checked("fcntl", subject, posix_h.SYS_fcntl, number, command, 3, 0, 0, 0), subject);
  }

  /**
   * Has a number lead to where another one does, in this process and in those that it starts; see
   * dup3(2). What it led to is closed.
   */
  public static void replace(int number, int by, String subject) throws SysException {
    // Safe: no addresses; who calls knows that nothing else uses the number's file.
    checked("dup3", subject, posix_h.SYS_dup3, by, number, 0, 0, 0, 0);
  }

  /** An fcntl whose argument is a number or the address of a live segment of the right size. */
  public static int fcntl(Fd fd, int command, long argument, String name) throws SysException {
    return (int)
        checked(name, fd.subject(), posix_h.SYS_fcntl, fd.number(), command, argument, 0, 0, 0);
  }

  /**
   * Waits until a descriptor is ready; a signal ends the wait like a time-out.
   *
   * @param events POLLIN, POLLOUT
   * @param timeoutMillis -1 for no limit
   * @return what is ready, POLL*; 0 after a time-out
   */
  public static int poll(Fd fd, int events, int timeoutMillis) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment one = pollfd.allocate(arena);
      pollfd.fd(one, fd.number());
      pollfd.events(one, (short) events);
      // Safe: one struct, announced as one, alive until the call is back.
      long ready = raw(posix_h.SYS_poll, one.address(), 1, timeoutMillis, 0, 0, 0);
      if (ready < 0 && ready != -posix_h.EINTR) {
        throw new SysException("poll", fd.subject(), (int) -ready);
      }
      return ready > 0 ? pollfd.revents(one) & 0xffff : 0;
    }
  }

  /**
   * Reads; see read(2).
   *
   * @return the number of bytes, 0 at the end
   */
  public static int read(Fd fd, byte[] into, int offset, int length) throws SysException {
    return in("read", posix_h.SYS_read, fd, into, offset, length, 0);
  }

  /** Reads at a place in the file; see pread(2). */
  public static int pread(Fd fd, byte[] into, int offset, int length, long position)
      throws SysException {
    return in("pread", posix_h.SYS_pread64, fd, into, offset, length, position);
  }

  /**
   * Writes; see write(2).
   *
   * @return the number of bytes, which can be less than {@code length}
   */
  public static int write(Fd fd, byte[] from, int offset, int length) throws SysException {
    return out("write", posix_h.SYS_write, fd, from, offset, length, 0);
  }

  /** Writes at a place in the file; see pwrite(2). */
  public static int pwrite(Fd fd, byte[] from, int offset, int length, long position)
      throws SysException {
    return out("pwrite", posix_h.SYS_pwrite64, fd, from, offset, length, position);
  }

  private static int in(
      String name, long call, Fd fd, byte[] into, int offset, int length, long position)
      throws SysException {
    Objects.checkFromIndexSize(offset, length, into.length);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment copy = arena.allocate(Math.max(1, length));
      // Safe: the kernel writes at most length bytes, for which there is room.
      int done =
          (int)
              checked(
                  name, fd.subject(), call, fd.number(), copy.address(), length, position, 0, 0);
      MemorySegment.copy(copy, JAVA_BYTE, 0, into, offset, done);
      return done;
    }
  }

  private static int out(
      String name, long call, Fd fd, byte[] from, int offset, int length, long position)
      throws SysException {
    Objects.checkFromIndexSize(offset, length, from.length);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment copy = arena.allocate(Math.max(1, length));
      MemorySegment.copy(from, offset, copy, JAVA_BYTE, 0, length);
      // Safe: the kernel reads length bytes, all of them ours.
      return (int)
          checked(name, fd.subject(), call, fd.number(), copy.address(), length, position, 0, 0);
    }
  }

  /**
   * Opens a performance counter, close-on-exec; see perf_event_open(2).
   *
   * @param attributes a struct perf_event_attr that says its own size
   * @param threadId 0 for the calling thread
   */
  public static Fd perfEventOpen(MemorySegment attributes, int threadId, String subject)
      throws SysException {
    long closeOnExec = perf_event_h.PERF_FLAG_FD_CLOEXEC;
    // Safe: the kernel reads as many bytes as the struct's size field says, and it is our struct.
    return new Fd(
        (int)
            checked(
                "perf_event_open",
                subject,
                posix_h.SYS_perf_event_open,
                attributes.address(),
                threadId,
                -1,
                -1,
                closeOnExec,
                0),
        subject);
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
