package lockstep.monitor.probe;

import static lockstep.uapi.kvm_h.KVM_EXIT_DEBUG;

import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.kvm.Reg;
import lockstep.monitor.probe.ProbeGuest.Answer;
import lockstep.sys.SysException;

/** Whether single-step and hardware breakpoints stop where they should. */
public final class DebugProbe {
  private static final int NOP = 0x90;
  private static final int STEPS = 4;
  private static final Answer DEBUG_EXIT = new Answer.OtherExit(KVM_EXIT_DEBUG);

  private DebugProbe() {}

  /** Whether every step stops after exactly one instruction, at CPL 0. */
  public static boolean stepsInKernel(Kvm kvm, Cpuid cpuid) throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(ProbeGuest.KERNEL_CODE, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP);
      guest.vcpu().debug().set(true, false);
      return steps(guest, ProbeGuest.KERNEL_CODE);
    }
  }

  /** The same at CPL 3. */
  public static boolean stepsInUser(Kvm kvm, Cpuid cpuid) throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.startInUser().code(ProbeGuest.USER_CODE, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP);
      guest.vcpu().debug().set(true, false);
      return steps(guest, ProbeGuest.USER_CODE);
    }
  }

  private static boolean steps(ProbeGuest guest, long start) throws SysException {
    for (int i = 1; i <= STEPS; i++) {
      if (!guest.run().equals(DEBUG_EXIT) || guest.rip() != start + i) {
        return false;
      }
    }
    return true;
  }

  /** Whether a hardware breakpoint at CPL 0 stops before its instruction. */
  public static boolean breaksInKernel(Kvm kvm, Cpuid cpuid) throws SysException {
    long target = ProbeGuest.KERNEL_CODE + 3;
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(ProbeGuest.KERNEL_CODE, NOP, NOP, NOP, NOP, 0x0f, 0x0b); // ud2 if it is missed
      guest.vcpu().debug().set(false, false, target);
      return guest.run().equals(DEBUG_EXIT) && guest.rip() == target;
    }
  }

  /** Whether one at CPL 3 does. */
  public static boolean breaksInUser(Kvm kvm, Cpuid cpuid) throws SysException {
    long target = ProbeGuest.USER_CODE + 3;
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.startInUser().code(ProbeGuest.USER_CODE, NOP, NOP, NOP, NOP, 0x0f, 0x0b);
      guest.vcpu().debug().set(false, false, target);
      return guest.run().equals(DEBUG_EXIT) && guest.rip() == target;
    }
  }

  /**
   * How late the interrupt window opens.
   *
   * @return turns of a two-instruction loop executed after the instruction behind STI; negative if
   *     the window never opened
   */
  public static long windowTurnsLate(Kvm kvm, Cpuid cpuid) throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(
          ProbeGuest.KERNEL_CODE,
          "31c9", // xor ecx, ecx
          "fb", // sti
          "90", // nop: the shadow covers this one
          "ffc1", // loop: inc ecx
          "ebfc"); // jmp loop
      guest.vcpu().requestInterruptWindow(true);
      Answer answer = guest.run();
      guest.vcpu().readRegs();
      return answer instanceof Answer.OtherExit exit
              && exit.reason() == lockstep.uapi.kvm_h.KVM_EXIT_IRQ_WINDOW_OPEN
          ? guest.vcpu().reg(Reg.RCX)
          : -1;
    }
  }
}
