package lockstep.sys;

import lockstep.uapi.posix_h;

/** Names and texts of the error numbers that this project's system calls can come back with. */
public final class Errno {
  private Errno() {}

  /** The C name, such as EACCES, or "errno N" for a number outside the table. */
  public static String name(int errno) {
    return entry(errno, 0);
  }

  /** Name and text, such as "EACCES (Permission denied)". */
  public static String describe(int errno) {
    String text = entry(errno, 1);
    return text.isEmpty() ? name(errno) : name(errno) + " (" + text + ")";
  }

  private static String entry(int errno, int column) {
    String line = line(errno);
    int space = line.indexOf(' ');
    if (space < 0) {
      return column == 0 ? "errno " + errno : "";
    }
    return column == 0 ? line.substring(0, space) : line.substring(space + 1);
  }

  private static String line(int errno) {
    return switch (errno) {
      case posix_h.EPERM -> "EPERM Operation not permitted";
      case posix_h.ENOENT -> "ENOENT No such file or directory";
      case posix_h.ESRCH -> "ESRCH No such process";
      case posix_h.EINTR -> "EINTR Interrupted system call";
      case posix_h.EIO -> "EIO Input/output error";
      case posix_h.ENXIO -> "ENXIO No such device or address";
      case posix_h.E2BIG -> "E2BIG Argument list too long";
      case posix_h.ENOEXEC -> "ENOEXEC Exec format error";
      case posix_h.EBADF -> "EBADF Bad file descriptor";
      case posix_h.EAGAIN -> "EAGAIN Resource temporarily unavailable";
      case posix_h.ENOMEM -> "ENOMEM Cannot allocate memory";
      case posix_h.EACCES -> "EACCES Permission denied";
      case posix_h.EFAULT -> "EFAULT Bad address";
      case posix_h.ENOTBLK -> "ENOTBLK Block device required";
      case posix_h.EBUSY -> "EBUSY Device or resource busy";
      case posix_h.EEXIST -> "EEXIST File exists";
      case posix_h.EXDEV -> "EXDEV Invalid cross-device link";
      case posix_h.ENODEV -> "ENODEV No such device";
      case posix_h.ENOTDIR -> "ENOTDIR Not a directory";
      case posix_h.EISDIR -> "EISDIR Is a directory";
      case posix_h.EINVAL -> "EINVAL Invalid argument";
      case posix_h.ENFILE -> "ENFILE Too many open files in system";
      case posix_h.EMFILE -> "EMFILE Too many open files";
      case posix_h.ENOTTY -> "ENOTTY Inappropriate ioctl for device";
      case posix_h.ETXTBSY -> "ETXTBSY Text file busy";
      case posix_h.EFBIG -> "EFBIG File too large";
      case posix_h.ENOSPC -> "ENOSPC No space left on device";
      case posix_h.ESPIPE -> "ESPIPE Illegal seek";
      case posix_h.EROFS -> "EROFS Read-only file system";
      case posix_h.EPIPE -> "EPIPE Broken pipe";
      case posix_h.ERANGE -> "ERANGE Numerical result out of range";
      case posix_h.EDEADLK -> "EDEADLK Resource deadlock avoided";
      case posix_h.ENAMETOOLONG -> "ENAMETOOLONG File name too long";
      case posix_h.ENOLCK -> "ENOLCK No locks available";
      case posix_h.ENOSYS -> "ENOSYS Function not implemented";
      case posix_h.ENOTEMPTY -> "ENOTEMPTY Directory not empty";
      case posix_h.ELOOP -> "ELOOP Too many levels of symbolic links";
      case posix_h.EBADE -> "EBADE Invalid exchange";
      case posix_h.ENODATA -> "ENODATA No data available";
      case posix_h.ETIME -> "ETIME Timer expired";
      case posix_h.EPROTO -> "EPROTO Protocol error";
      case posix_h.EOVERFLOW -> "EOVERFLOW Value too large for defined data type";
      case posix_h.EOPNOTSUPP -> "EOPNOTSUPP Operation not supported";
      case posix_h.EADDRINUSE -> "EADDRINUSE Address already in use";
      case posix_h.ECONNRESET -> "ECONNRESET Connection reset by peer";
      case posix_h.ENOBUFS -> "ENOBUFS No buffer space available";
      case posix_h.ETIMEDOUT -> "ETIMEDOUT Connection timed out";
      case posix_h.ECONNREFUSED -> "ECONNREFUSED Connection refused";
      case posix_h.EALREADY -> "EALREADY Operation already in progress";
      case posix_h.EINPROGRESS -> "EINPROGRESS Operation now in progress";
      case posix_h.EREMOTEIO -> "EREMOTEIO Remote I/O error";
      case posix_h.EDQUOT -> "EDQUOT Disk quota exceeded";
      case posix_h.ECANCELED -> "ECANCELED Operation canceled";
      case posix_h.EHWPOISON -> "EHWPOISON Memory page has hardware error";
      default -> "";
    };
  }
}
