package lockstep.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import lockstep.uapi.posix_h;

/**
 * The kick signal. Its handler must do nothing but exist, so that a system call that runs the guest
 * ends with EINTR; it is the address of a pure libc function, so no Java code ever runs in a signal
 * context.
 */
public final class Signals {
  /** The signal that ends KVM_RUN; the JVM does not use it. */
  public static final int KICK = posix_h.SIGUSR1;

  // The kernel's struct sigaction on x86-64 (not libc's): handler, flags, restorer, mask.
  private static final long SIGACTION_BYTES = 32;
  private static final long FLAGS_AT = 8;
  private static final long RESTORER_AT = 16;
  private static final long SA_RESTORER = 0x0400_0000L;
  private static final long SIGSET_BYTES = 8;

  private static boolean installed;

  private Signals() {}

  /** Installs the handler, once for the process. */
  public static synchronized void installKickHandler() throws SysException {
    if (installed) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      // The code that returns from a handler is libc's and has no name; the JVM's own SIGSEGV
      // action, set through libc, tells where it is. Both segments are the size the kernel expects.
      MemorySegment known = arena.allocate(SIGACTION_BYTES, 8);
      Posix.checked(
          "rt_sigaction",
          "SIGSEGV",
          posix_h.SYS_rt_sigaction,
          posix_h.SIGSEGV,
          0,
          known.address(),
          SIGSET_BYTES,
          0,
          0);
      MemorySegment action = arena.allocate(SIGACTION_BYTES, 8);
      action.set(
          ValueLayout.ADDRESS, 0, Linker.nativeLinker().defaultLookup().findOrThrow("getppid"));
      // SA_RESTART: a kick that comes late must not fail some other call of that thread. KVM_RUN
      // ends with EINTR all the same.
      action.set(ValueLayout.JAVA_LONG, FLAGS_AT, SA_RESTORER | posix_h.SA_RESTART);
      action.set(ValueLayout.JAVA_LONG, RESTORER_AT, known.get(ValueLayout.JAVA_LONG, RESTORER_AT));
      Posix.checked(
          "rt_sigaction",
          "SIGUSR1",
          posix_h.SYS_rt_sigaction,
          KICK,
          action.address(),
          0,
          SIGSET_BYTES,
          0,
          0);
    }
    installed = true;
  }
}
