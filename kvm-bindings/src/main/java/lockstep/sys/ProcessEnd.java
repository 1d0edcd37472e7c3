package lockstep.sys;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Ends the process at once, by exit_group(2). {@code Runtime.halt} first waits for a safepoint and
 * for agents. Meanwhile other threads run on: one of them claimed and won the disk for a VM that
 * was lost a moment later.
 */
final class ProcessEnd {
  // Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/poll.h.
  private static final long SYS_WRITE = 1;
  private static final long SYS_POLL = 7;
  private static final long SYS_EXIT_GROUP = 231;
  private static final short POLLOUT = 4;

  private static final int STANDARD_ERROR = 2;

  /** A pipe that can be written takes as much without waiting. */
  private static final int MOST_BYTES = 4096;

  // Allocated while there is memory.
  private static final MemorySegment ERRNO = Sys.errnoSlot(Arena.global());
  private static final MemorySegment TEXT = Arena.global().allocate(MOST_BYTES);
  private static final MemorySegment POLLED = Arena.global().allocate(8, 4);

  static {
    POLLED.set(ValueLayout.JAVA_INT, 0, STANDARD_ERROR);
    POLLED.set(ValueLayout.JAVA_SHORT, 4, POLLOUT);
  }

  private ProcessEnd() {}

  /** Initializes this class, so that {@link #now} allocates nothing but the bytes of its line. */
  static void prepare() {
    // Done by the call.
  }

  /**
   * Says why, unless nobody reads standard error, and ends the process without shutdown hooks: one
   * of them might wait for what has failed.
   */
  static void now(String line, int code) {
    try {
      say(line);
      call(SYS_EXIT_GROUP, code, 0, 0);
    } finally {
      Runtime.getRuntime().halt(code);
    }
  }

  private static void say(String line) {
    try {
      byte[] bytes = line.getBytes(UTF_8);
      int length = Math.min(bytes.length, MOST_BYTES);
      MemorySegment.copy(bytes, 0, TEXT, ValueLayout.JAVA_BYTE, 0, length);
      if (call(SYS_POLL, POLLED.address(), 1, 0) == 1) {
        call(SYS_WRITE, STANDARD_ERROR, TEXT.address(), length);
      }
    } catch (OutOfMemoryError e) {
      // It ends without a message.
    }
  }

  private static long call(long number, long a, long b, long c) {
    return Sys.call(ERRNO, number, a, b, c, 0, 0, 0);
  }
}
