package lockstep.testing;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * A terminal for a process under test, see pty(7): this object is the user's end, {@link #path}
 * what the process has as standard input. All that the process shows is kept.
 */
public final class PseudoTerminal implements AutoCloseable {
  private static final int POLL_MILLIS = 100;

  private final Fd user;
  private final Fd held;
  private final Path path;
  private final StringBuilder shown = new StringBuilder();
  private final Thread reader = Thread.ofPlatform().daemon().name("pty").unstarted(this::read);
  private volatile boolean closed;

  /** A fresh one, in the modes that the kernel gives it. */
  public PseudoTerminal() throws SysException {
    user = Posix.open("/dev/ptmx", posix_h.O_RDWR | posix_h.O_NOCTTY);
    try (Arena arena = Arena.ofConfined()) {
      // Safe: both requests take the address of an int.
      MemorySegment number = arena.allocate(ValueLayout.JAVA_INT);
      Posix.ioctl(user, posix_h.TIOCSPTLCK, number.address(), "TIOCSPTLCK");
      Posix.ioctl(user, posix_h.TIOCGPTN, number.address(), "TIOCGPTN");
      path = Path.of("/dev/pts", Integer.toString(number.get(ValueLayout.JAVA_INT, 0)));
    }
    // With its last user gone a terminal forgets its modes, and they are what tests look at.
    held = Posix.open(path.toString(), posix_h.O_RDWR | posix_h.O_NOCTTY);
    reader.start();
  }

  private void read() {
    byte[] buffer = new byte[1 << 12];
    try {
      while (!closed) {
        if (Posix.poll(user, posix_h.POLLIN, POLL_MILLIS) != 0) {
          int count = Posix.read(user, buffer, 0, buffer.length);
          synchronized (shown) {
            shown.append(new String(buffer, 0, count, StandardCharsets.ISO_8859_1));
            shown.notifyAll();
          }
        }
      }
    } catch (SysException e) {
      // The other end is gone.
    }
  }

  /** What to start a process on. */
  public Path path() {
    return path;
  }

  /** Types. */
  public void type(String keys) throws SysException {
    byte[] bytes = keys.getBytes(StandardCharsets.ISO_8859_1);
    Posix.write(user, bytes, 0, bytes.length);
  }

  /** All that was shown so far. */
  public String shown() {
    synchronized (shown) {
      return shown.toString();
    }
  }

  /** Waits until a text was shown; false when it was not in time. */
  public boolean await(String text, long seconds) throws InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    synchronized (shown) {
      while (shown.indexOf(text) < 0) {
        long leftMillis = TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime());
        if (leftMillis <= 0) {
          return false;
        }
        shown.wait(leftMillis);
      }
      return true;
    }
  }

  /** Its modes, all of them, as stty(1) writes them down: equal texts are equal modes. */
  public String modes() throws IOException, InterruptedException {
    Process stty = new ProcessBuilder("stty", "-g", "-F", path.toString()).start();
    String modes = new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
    if (stty.waitFor() != 0) {
      throw new IOException("stty -g -F " + path + " failed");
    }
    return modes.strip();
  }

  @Override
  public void close() {
    closed = true;
    try {
      reader.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    held.close();
    user.close();
  }
}
