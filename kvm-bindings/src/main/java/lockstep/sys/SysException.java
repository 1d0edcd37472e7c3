package lockstep.sys;

/** A system call failed. Carries the call, what it was about, and errno. */
public final class SysException extends Exception {
  private static final long serialVersionUID = 1;

  private final String call;
  private final int errno;

  /**
   * @param call the system call or ioctl, by its C name
   * @param subject what it was called on, for people
   * @param errno the error number, positive
   */
  public SysException(String call, String subject, int errno) {
    super(call + " " + subject + ": " + Errno.describe(errno));
    this.call = call;
    this.errno = errno;
  }

  /** The call's C name. */
  public String call() {
    return call;
  }

  /** The error number, positive. */
  public int errno() {
    return errno;
  }
}
