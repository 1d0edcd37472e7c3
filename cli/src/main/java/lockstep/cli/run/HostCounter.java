package lockstep.cli.run;

import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.kvm.PmuSelfTest;
import lockstep.monitor.probe.ProbeGuest;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.placement.PmuCounter;
import lockstep.sys.SysException;

/** What this host's PMU can count, found out by a small guest. */
public final class HostCounter {
  /** What the guest code has: a loop with this many conditional branches. */
  private static final int BRANCHES = 1_000;

  private HostCounter() {}

  /** Runs the PMU's self-test, about a millisecond where there is no PMU. */
  public static PmuSelfTest.Result selfTest(Kvm kvm, Cpuid cpuid) throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(
          ProbeGuest.KERNEL_CODE,
          0xb9,
          BRANCHES & 0xff,
          BRANCHES >> 8,
          0,
          0, // start: mov ecx, BRANCHES
          0xff,
          0xc9, // loop: dec ecx
          0x75,
          0xfc, // jnz loop
          0xe7,
          ProbeGuest.ANSWER_PORT, // out 0x10, eax
          0xeb,
          0xf3); // jmp start
      return PmuSelfTest.run(guest::run, BRANCHES);
    }
  }

  /** A counter for one vCPU, or the one that says why there is none. The caller closes it. */
  static InstructionCounter open(Kvm kvm) throws SysException {
    Cpuid cpuid = CpuModel.table(CpuModel.Kind.DETERMINISTIC, kvm.supportedCpuid());
    PmuSelfTest.Result found = selfTest(kvm, cpuid);
    if (found.event().isEmpty()) {
      return InstructionCounter.none(found.reason());
    }
    return new PmuCounter(found.event().get(), found.skidMargin());
  }
}
