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
          0xb8,
          1,
          0,
          0,
          0, // mov eax, 1
          0x0f,
          0xa2, // cpuid
          0x89,
          0xd0, // mov eax, edx
          0xe7,
          ProbeGuest.ANSWER_PORT); // out 0x10, eax
      return guest.run().equals(new Answer.Value(expected));
    }
  }

  /** Whether SYSCALL in user code arrives at LSTAR with kernel rights. */
  static boolean syscallEntersKernel(Kvm kvm, Cpuid cpuid) throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(
          ProbeGuest.KERNEL_CODE,
          0xb9,
          0,
          0,
          0x20,
          0, // mov ecx, USER_CODE
          0x41,
          0xbb,
          2,
          0,
          0,
          0, // mov r11d, 2
          0x48,
          0x0f,
          0x07); // sysretq
      guest.code(ProbeGuest.USER_CODE, 0x0f, 0x05); // syscall
      guest.code(
          ProbeGuest.SYSCALL_ENTRY,
          0x31,
          0xc0, // xor eax, eax
          0x8c,
          0xc8, // mov eax, cs
          0xe7,
          ProbeGuest.ANSWER_PORT); // out 0x10, eax
      return guest.run().equals(new Answer.Value(0x10));
    }
  }
}
