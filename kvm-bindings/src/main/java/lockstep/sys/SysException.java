package lockstep.sys;

/**
 * A system call failed. The message is one line: call, subject, error name and text. What to do
 * about it is added by whoever knows what the user wanted.
 */
public final class SysException extends Exception {
  private static final long serialVersionUID = 1;

  private final String call;
  private final String subject;
  private final int errno;

  /**
   * @param call the system call or ioctl, by its C name
   * @param subject what it was called on, for people
   * @param errno the error number, positive
   */
  public SysException(String call, String subject, int errno) {
    super(call + " " + subject + ": " + Errno.describe(errno));
    this.call = call;
    this.subject = subject;
    this.errno = errno;
  }

  /** The call's C name. */
  public String call() {
    return call;
  }

  /** What it was called on. */
  public String subject() {
    return subject;
  }

  /** The error number, positive. */
  public int errno() {
    return errno;
  }
}
