package lockstep.monitor.vcpu;

import lockstep.kvm.GuestMemory;
import lockstep.kvm.VcpuFd;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_h;

/** The text for a CPU or KVM that gave up: one line of what, then registers and bytes at RIP. */
final class CrashReport {
  private CrashReport() {}

  static RunResult tripleFault(VcpuFd vcpu, GuestMemory memory) {
    return crashed("the guest triple-faulted (KVM_EXIT_SHUTDOWN)", vcpu, memory);
  }

  static RunResult internalError(VcpuFd vcpu, GuestMemory memory) {
    int suberror = vcpu.internalSuberror();
    String what =
        switch (suberror) {
          case kvm_h.KVM_INTERNAL_ERROR_EMULATION ->
              "this KVM cannot emulate the guest's instruction";
          case kvm_h.KVM_INTERNAL_ERROR_SIMUL_EX -> "simultaneous exceptions";
          case kvm_h.KVM_INTERNAL_ERROR_DELIVERY_EV -> "exit during event delivery";
          case kvm_h.KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON -> "unexpected hardware exit";
          default -> "unknown suberror";
        };
    return crashed(
        "KVM internal error " + suberror + ": " + what + " (KVM_EXIT_INTERNAL_ERROR)",
        vcpu,
        memory);
  }

  static RunResult failEntry(VcpuFd vcpu, GuestMemory memory) {
    return crashed(
        "the CPU refused to enter the guest, hardware reason 0x"
            + Long.toHexString(vcpu.failEntryReason())
            + " (KVM_EXIT_FAIL_ENTRY)",
        vcpu,
        memory);
  }

  static RunResult endlessInstruction(VcpuFd vcpu, GuestMemory memory) {
    return crashed("one string instruction of the guest made too many exits", vcpu, memory);
  }

  static RunResult unknownExit(VcpuFd vcpu, GuestMemory memory) {
    return crashed(
        "KVM exit reason " + vcpu.exitReason() + " is not one Lockstep asks for", vcpu, memory);
  }

  private static RunResult crashed(String what, VcpuFd vcpu, GuestMemory memory) {
    String details;
    try {
      details = RegisterDump.of(vcpu, memory);
    } catch (SysException e) {
      details = "registers unavailable: " + e.getMessage();
    }
    return new RunResult.Crashed(what + System.lineSeparator() + details);
  }
}
