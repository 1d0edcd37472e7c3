package lockstep.testvms;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import lockstep.sys.Sys;

/**
 * {@code lockstep} with a thread beside it that does damage in this process when a file tells it
 * to: {@code -Dfault.file=PATH}. What the file says is a word of {@link Damage}.
 */
final class FaultyMain {
  /** What can be done to a process from within. */
  enum Damage {
    /** Every ioctl of the vCPU fails with ENOTTY, KVM_RUN first. */
    KVM_FAILS,
    /** The vCPU's thread stays where it is for good, as on a page that never comes. */
    VCPU_HELD
  }

  private static final String VCPU_THREAD = "vcpu-0";
  private static final long POLL_MILLIS = 10;

  // Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/fcntl.h.
  private static final long SYS_RT_SIGACTION = 13;
  private static final long SYS_DUP2 = 33;
  private static final long SYS_OPEN = 2;
  private static final long SYS_TGKILL = 234;
  private static final long O_RDWR = 2;
  private static final int SIGSEGV = 11;

  /** The JVM and Lockstep do not use it. */
  private static final int SIGUSR2 = 12;

  // The kernel's struct sigaction, as in lockstep.sys.Signals.
  private static final long SIGACTION_BYTES = 32;
  private static final long FLAGS_AT = 8;
  private static final long RESTORER_AT = 16;
  private static final long MASK_AT = 24;
  private static final long SA_RESTORER = 0x0400_0000L;

  private FaultyMain() {}

  /** The arguments are those of lockstep. */
  public static void main(String[] args) {
    Path file = Path.of(System.getProperty("fault.file", ""));
    Thread.ofPlatform().daemon().name("fault").start(() -> await(file));
    lockstep.cli.Main.main(args);
  }

  private static void await(Path file) {
    try {
      while (!Files.exists(file)) {
        Thread.sleep(POLL_MILLIS);
      }
      switch (Damage.valueOf(Files.readString(file))) {
        case KVM_FAILS -> failKvm();
        case VCPU_HELD -> holdVcpu();
      }
    } catch (IOException e) {
      throw new IllegalStateException("no damage was done", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Puts /dev/null in the place of the vCPU's descriptor. */
  private static void failKvm() throws IOException {
    long number = -1;
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      for (Path descriptor : descriptors.toList()) {
        try {
          if (Files.readSymbolicLink(descriptor).toString().contains("kvm-vcpu")) {
            number = Long.parseLong(String.valueOf(descriptor.getFileName()));
          }
        } catch (NoSuchFileException e) {
          // The one that this list was read by, or closed since.
        }
      }
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment slot = Sys.errnoSlot(arena);
      long other = call(slot, SYS_OPEN, arena.allocateFrom("/dev/null").address(), O_RDWR, 0, 0);
      call(slot, SYS_DUP2, other, number, 0, 0);
    }
  }

  /**
   * Sends the thread a signal whose handler is libc's pause(2), with all signals masked in it: it
   * does not return.
   */
  private static void holdVcpu() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment slot = Sys.errnoSlot(arena);
      MemorySegment known = arena.allocate(SIGACTION_BYTES, 8);
      call(slot, SYS_RT_SIGACTION, SIGSEGV, 0, known.address(), 8);
      MemorySegment action = arena.allocate(SIGACTION_BYTES, 8);
      action.set(
          ValueLayout.ADDRESS, 0, Linker.nativeLinker().defaultLookup().findOrThrow("pause"));
      action.set(ValueLayout.JAVA_LONG, FLAGS_AT, SA_RESTORER);
      action.set(ValueLayout.JAVA_LONG, RESTORER_AT, known.get(ValueLayout.JAVA_LONG, RESTORER_AT));
      action.set(ValueLayout.JAVA_LONG, MASK_AT, -1L);
      call(slot, SYS_RT_SIGACTION, SIGUSR2, action.address(), 0, 8);
      for (long thread : threads()) {
        call(slot, SYS_TGKILL, ProcessHandle.current().pid(), thread, SIGUSR2, 0);
      }
    }
  }

  private static List<Long> threads() throws IOException {
    try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
      return tasks
          .filter(task -> nameOf(task).equals(VCPU_THREAD))
          .map(task -> Long.parseLong(String.valueOf(task.getFileName())))
          .toList();
    }
  }

  private static String nameOf(Path task) {
    try {
      return Files.readString(task.resolve("comm")).strip();
    } catch (IOException e) {
      return ""; // It has ended.
    }
  }

  private static long call(MemorySegment slot, long number, long a, long b, long c, long d)
      throws IOException {
    long result = Sys.call(slot, number, a, b, c, d, 0, 0);
    if (result < 0) {
      throw new IOException("system call " + number + ": errno " + -result);
    }
    return result;
  }
}
