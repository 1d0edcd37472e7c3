package lockstep.cli.common;

import lockstep.kvm.Kvm;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/** What a user can do about a system call that failed. */
public final class HostErrors {
  private HostErrors() {}

  /** What failed, on what, and what to do, in one line. */
  public static String describe(SysException e) {
    return e.getMessage() + "; " + remedy(e);
  }

  private static String remedy(SysException e) {
    boolean kvm = e.subject().equals(Kvm.DEVICE);
    if (kvm) {
      return switch (e.errno()) {
        case posix_h.ENOENT, posix_h.ENODEV, posix_h.ENXIO ->
            "load the module (modprobe kvm_intel or kvm_amd) and switch virtualisation on in the"
                + " firmware";
        case posix_h.EACCES, posix_h.EPERM ->
            "add yourself to the group kvm (usermod -aG kvm USER) and log in again";
        case posix_h.EBUSY -> "another hypervisor has the CPU: stop it";
        default -> "see lockstep doctor";
      };
    }
    return switch (e.errno()) {
      case posix_h.ENOMEM -> "give the guest less --memory, or free some on the host";
      case posix_h.EMFILE, posix_h.ENFILE -> "raise the limit of open files (ulimit -n)";
      default -> "see lockstep doctor";
    };
  }
}
