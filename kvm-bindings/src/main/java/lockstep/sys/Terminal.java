package lockstep.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import lockstep.uapi.posix_h;
import lockstep.uapi.termios;

/**
 * A terminal that can be switched to raw mode and back. Restoring works from any thread and any
 * number of times, so a shutdown hook may do it once more.
 */
public final class Terminal {
  private final int fd;
  private final byte[] original;

  private Terminal(int fd, byte[] original) {
    this.fd = fd;
    this.original = original;
  }

  /**
   * The terminal behind a standard descriptor.
   *
   * @param fd 0, 1 or 2: descriptors that this process was born with and never closes
   * @return empty if it is a file, a pipe or closed
   */
  public static Optional<Terminal> of(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment modes = termios.allocate(arena);
      // Safe: the kernel's struct termios is a prefix of libc's, for which there is room.
      long result = Posix.raw(posix_h.SYS_ioctl, fd, posix_h.TCGETS, modes.address(), 0, 0, 0);
      return result < 0
          ? Optional.empty()
          : Optional.of(new Terminal(fd, modes.toArray(ValueLayout.JAVA_BYTE)));
    }
  }

  /** Raw mode: every key arrives at once and unchanged, nothing is echoed, no key is a signal. */
  public void makeRaw() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment modes = copyOfOriginal(arena);
      termios.c_iflag(
          modes,
          termios.c_iflag(modes)
              & ~(posix_h.IGNBRK
                  | posix_h.BRKINT
                  | posix_h.PARMRK
                  | posix_h.ISTRIP
                  | posix_h.INLCR
                  | posix_h.IGNCR
                  | posix_h.ICRNL
                  | posix_h.IXON));
      termios.c_oflag(modes, termios.c_oflag(modes) & ~posix_h.OPOST);
      termios.c_lflag(
          modes,
          termios.c_lflag(modes)
              & ~(posix_h.ECHO | posix_h.ECHONL | posix_h.ICANON | posix_h.ISIG | posix_h.IEXTEN));
      termios.c_cflag(
          modes, (termios.c_cflag(modes) & ~(posix_h.CSIZE | posix_h.PARENB)) | posix_h.CS8);
      MemorySegment keys = termios.c_cc(modes);
      keys.set(ValueLayout.JAVA_BYTE, posix_h.VMIN, (byte) 1);
      keys.set(ValueLayout.JAVA_BYTE, posix_h.VTIME, (byte) 0);
      set(modes);
    }
  }

  /** Puts the modes back as they were when this object was made. */
  public void restore() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      set(copyOfOriginal(arena));
    }
  }

  private MemorySegment copyOfOriginal(Arena arena) {
    return arena
        .allocateFrom(ValueLayout.JAVA_LONG, new long[(original.length + 7) / 8])
        .copyFrom(MemorySegment.ofArray(original));
  }

  private void set(MemorySegment modes) throws SysException {
    // Safe: the kernel reads its struct termios, a prefix of the segment. After pending output.
    Posix.checked(
        "TCSETSW", "terminal", posix_h.SYS_ioctl, fd, posix_h.TCSETSW, modes.address(), 0, 0, 0);
  }
}
