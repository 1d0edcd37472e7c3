package lockstep.monitor.probe;

import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.monitor.probe.ProbeGuest.Answer;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.sys.SysException;

/** Finds out which quirks this host's KVM needs. A few milliseconds. */
public final class QuirkProbe {
  private QuirkProbe() {}

  /** Runs the probes. */
  public static QuirkSet probe(Kvm kvm) throws SysException {
    Cpuid cpuid = CpuModel.table(CpuModel.Kind.DETERMINISTIC, kvm.supportedCpuid());
    return new QuirkSet(!cpuidHonoured(kvm, cpuid), !syscallEntersKernel(kvm, cpuid));
  }

  /** Whether CPUID leaf 1 in the kernel shows the feature bits that were set, and no others. */
  static boolean cpuidHonoured(Kvm kvm, Cpuid cpuid) throws SysException {
    int expected = cpuid.find(1, 0).orElseThrow().edx();
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(
          ProbeGuest.KERNEL_CODE,
          "b801000000", // mov eax, 1
          "0fa2", // cpuid
          "89d0", // mov eax, edx
          "e710"); // out ANSWER_PORT, eax
      return guest.run().equals(new Answer.Value(expected));
    }
  }

  /** Whether SYSCALL in user code arrives at LSTAR with kernel rights. */
  static boolean syscallEntersKernel(Kvm kvm, Cpuid cpuid) throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(
          ProbeGuest.KERNEL_CODE,
          "b900002000", // mov ecx, USER_CODE
          "41bb02000000", // mov r11d, 2
          "480f07"); // sysretq
      guest.code(ProbeGuest.USER_CODE, "0f05"); // syscall
      guest.code(
          ProbeGuest.SYSCALL_ENTRY,
          "31c0", // xor eax, eax
          "8cc8", // mov eax, cs
          "e710"); // out ANSWER_PORT, eax
      return guest.run().equals(new Answer.Value(0x10));
    }
  }
}
