package lockstep.sys;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * The project's only hand-written downcalls. Everything goes through one handle on {@code
 * syscall(2)}: seven longs, errno captured. One shape costs one linkage at start-up, and nothing
 * here depends on a libc struct.
 *
 * <p>A negative result is {@code -errno}, so that a hot caller needs neither an exception nor an
 * allocation.
 */
public final class Sys {
  private static final MemoryLayout CAPTURE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      CAPTURE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
  private static final MethodHandle SYSCALL = link();

  private Sys() {}

  @SuppressWarnings("restricted") // the one place that links native code
  private static MethodHandle link() {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow("syscall"),
        FunctionDescriptor.of(
            JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
        Linker.Option.firstVariadicArg(1),
        Linker.Option.captureCallState("errno"));
  }

  /**
   * Makes a place for errno, to be passed to {@link #call}; one per thread that calls.
   *
   * @param arena its lifetime
   */
  public static MemorySegment errnoSlot(Arena arena) {
    return arena.allocate(CAPTURE);
  }

  /**
   * Calls the kernel. Safe as far as the arguments are: whoever passes an address guarantees that
   * it points to memory of the size the call expects for as long as the kernel uses it.
   *
   * @return the result, or {@code -errno}
   */
  public static long call(
      MemorySegment errnoSlot, long number, long a, long b, long c, long d, long e, long f) {
    try {
      long result = (long) SYSCALL.invokeExact(errnoSlot, number, a, b, c, d, e, f);
      return result == -1 ? -(long) (int) ERRNO.get(errnoSlot, 0L) : result;
    } catch (Throwable t) {
      throw new AssertionError("syscall(2) does not throw", t);
    }
  }
}
