package lockstep.sys;

import java.util.concurrent.atomic.AtomicInteger;
import lockstep.uapi.posix_h;

/**
 * An open file descriptor and the duty to close it. A closed one refuses to be used: the kernel
 * hands its number to the next open, and a late call would hit a stranger's file.
 *
 * <p>Any thread may close, any number of times. Whoever lets one thread close while another one
 * calls must keep them apart, as with a descriptor in C.
 */
public final class Fd implements AutoCloseable {
  private static final int CLOSED = -1;

  private final AtomicInteger number;
  private final String subject;

  /**
   * Takes over a descriptor.
   *
   * @param number as the kernel returned it
   * @param subject what it is, for error messages
   */
  public Fd(int number, String subject) {
    if (number < 0) {
      throw new IllegalArgumentException("descriptor " + number + " of " + subject);
    }
    this.number = new AtomicInteger(number);
    this.subject = subject;
  }

  /** The number, for the next system call. */
  public int number() {
    int open = number.get();
    if (open == CLOSED) {
      throw new IllegalStateException(subject + " is closed");
    }
    return open;
  }

  /** What it is, for error messages. */
  public String subject() {
    return subject;
  }

  /** Whether {@link #close} was called. */
  public boolean isClosed() {
    return number.get() == CLOSED;
  }

  @Override
  public void close() {
    int open = number.getAndSet(CLOSED);
    if (open != CLOSED) {
      // Safe: the number is ours and used once. Errors of close(2) have no remedy.
      Posix.raw(posix_h.SYS_close, open, 0, 0, 0, 0, 0);
    }
  }

  @Override
  public String toString() {
    return subject + " (fd " + number.get() + ")";
  }
}
