package lockstep.sys;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Objects;
import lockstep.uapi.posix_h;

/**
 * This process's standard output, which is the guest's console. The JVM writes the summary of a
 * crash to descriptor 1 whatever its options say. {@link #separate} therefore moves standard output
 * to a descriptor of its own, and has descriptor 1 lead to standard error.
 */
public final class StandardOutput {
  private static final int OUTPUT = 1;
  private static final int ERROR = 2;

  private static volatile OutputStream stream = new FileOutputStream(FileDescriptor.out);

  private StandardOutput() {}

  /**
   * Separates it from what the JVM and libraries print. At the start, before anything is written.
   * Where the process has no standard output, nothing changes and writes to it fail.
   */
  public static void separate() throws SysException {
    if (isClosed()) {
      return;
    }
    // Neither descriptor is ever closed: the process ends with them.
    Fd own = Posix.duplicate(OUTPUT, "standard output");
    Posix.replace(OUTPUT, ERROR, "standard error");
    stream = new Separate(own);
  }

  /** A process that was started without one may have another file of its own at that number. */
  private static boolean isClosed() {
    // Safe: no addresses.
    long flags = Posix.raw(posix_h.SYS_fcntl, OUTPUT, posix_h.F_GETFL, 0, 0, 0, 0);
    return flags < 0 || (flags & posix_h.O_ACCMODE) == posix_h.O_RDONLY;
  }

  /** The way there, without a buffer. Any thread. */
  public static OutputStream stream() {
    return stream;
  }

  private static final class Separate extends OutputStream {
    private final Fd fd;

    Separate(Fd fd) {
      this.fd = fd;
    }

    @Override
    public void write(int value) throws IOException {
      write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      Objects.checkFromIndexSize(offset, length, bytes.length);
      int done = 0;
      while (done < length) {
        try {
          done += Posix.write(fd, bytes, offset + done, length - done);
        } catch (SysException e) {
          if (e.errno() != posix_h.EINTR) {
            throw new IOException(Errno.describe(e.errno()), e);
          }
        }
      }
    }
  }
}
