package lockstep.monitor.vcpu;

import lockstep.kvm.GuestMemory;
import lockstep.kvm.Reg;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_h;

/** The text for a CPU or KVM that gave up: one line of what, then registers and bytes at RIP. */
final class CrashReport {
  private static final long RESET_RIP = 0xfff0;
  private static final long RESET_CR0 = 0x6000_0010;
  private static final int RESET_CS = 0xf000;

  private CrashReport() {}

  /**
   * KVM on SVM resets the vCPU before it says so (Linux, arch/x86/kvm/svm/svm.c,
   * shutdown_interception): what it shows then is nothing of the guest's.
   */
  static RunResult tripleFault(VcpuFd vcpu, GuestMemory memory) {
    String what = "the guest triple-faulted (KVM_EXIT_SHUTDOWN)";
    return crashed(
        RunResult.Cause.GUEST,
        isReset(vcpu)
            ? what + "; this KVM has reset the vCPU, so the registers are those after the reset"
            : what,
        vcpu,
        memory);
  }

  /** Intel SDM volume 3, table 10-1: state of a processor after reset. */
  private static boolean isReset(VcpuFd vcpu) {
    try {
      vcpu.readRegs();
      vcpu.readSregs();
    } catch (SysException e) {
      return false; // the report says so
    }
    return vcpu.reg(Reg.RIP) == RESET_RIP
        && vcpu.sregs().cr0() == RESET_CR0
        && vcpu.sregs().segment(SegmentName.CS).selector() == RESET_CS;
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
        RunResult.Cause.HOST,
        "KVM internal error " + suberror + ": " + what + " (KVM_EXIT_INTERNAL_ERROR)",
        vcpu,
        memory);
  }

  static RunResult failEntry(VcpuFd vcpu, GuestMemory memory) {
    return crashed(
        RunResult.Cause.HOST,
        "the CPU refused to enter the guest, hardware reason 0x"
            + Long.toHexString(vcpu.failEntryReason())
            + " (KVM_EXIT_FAIL_ENTRY)",
        vcpu,
        memory);
  }

  static RunResult endlessInstruction(VcpuFd vcpu, GuestMemory memory) {
    return crashed(
        RunResult.Cause.GUEST,
        "one string instruction of the guest made too many exits",
        vcpu,
        memory);
  }

  static RunResult unknownExit(VcpuFd vcpu, GuestMemory memory) {
    return crashed(
        RunResult.Cause.HOST,
        "KVM exit reason " + vcpu.exitReason() + " is not one Lockstep asks for",
        vcpu,
        memory);
  }

  private static RunResult crashed(
      RunResult.Cause cause, String what, VcpuFd vcpu, GuestMemory memory) {
    String details;
    try {
      details = RegisterDump.of(vcpu, memory);
    } catch (SysException e) {
      details = "registers unavailable: " + e.getMessage();
    }
    return new RunResult.Crashed(cause, what + System.lineSeparator() + details);
  }
}
