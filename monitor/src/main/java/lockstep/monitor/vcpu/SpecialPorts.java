package lockstep.monitor.vcpu;

import static lockstep.uapi.kvm_h.KVM_EXIT_DEBUG;

import lockstep.kvm.Reg;
import lockstep.kvm.VcpuFd;
import lockstep.monitor.input.GuestClock;
import lockstep.sys.SysException;

/**
 * The ports that stand in for instructions KVM does not let user space intercept: a kernel's RDTSC
 * and, where a quirk demands it, CPUID are rewritten at load time to {@code IN EAX, imm8}. Their
 * results fill more registers than an IN does, so the instruction is completed first and the other
 * registers are set after it (docs/determinism.md, hazards).
 */
public final class SpecialPorts {
  /** Rewritten RDTSC reads the guest clock here: {@code IN EAX, CLOCK_PORT}, result in EDX:EAX. */
  public static final int CLOCK_PORT = 0xe4;

  /** Rewritten RDTSCP reads the guest clock here; the same, with ECX = 0. */
  public static final int CLOCK_AUX_PORT = 0xec;

  /** Rewritten CPUID asks here where a quirk demands it: {@code IN EAX, CPUID_PORT}. */
  public static final int CPUID_PORT = 0xe8;

  private static final long LOW_32 = 0xffff_ffffL;

  /** What a port that is not there answers. */
  private static final int NOTHING = -1;

  private final GuestClock clock;
  private final CpuidTable cpuid;
  private final int[] scratch = new int[4];

  /**
   * @param clock the guest's clock; one TSC count is one nanosecond
   * @param cpuid what CPUID answers
   */
  public SpecialPorts(GuestClock clock, CpuidTable cpuid) {
    this.clock = clock;
    this.cpuid = cpuid;
  }

  /** Answers CPUID for a leaf: fills four values, EAX, EBX, ECX, EDX. */
  public interface CpuidTable {
    /**
     * @param leaf EAX
     * @param subleaf ECX
     * @param registers takes EAX, EBX, ECX, EDX in this order
     */
    void query(int leaf, int subleaf, int[] registers);
  }

  boolean claims(int port, int sizeBytes) {
    return sizeBytes == 4 && (port == CLOCK_PORT || port == CLOCK_AUX_PORT || port == CPUID_PORT);
  }

  /**
   * Answers the IN that {@code vcpu} just exited with, and completes the instruction. A string
   * instruction, which no rewritten kernel has, takes what comes and leaves the registers alone.
   *
   * @return true if the instruction came back with another exit of its own, which is still to be
   *     handled; the end of a step, which is reported here, is none: the reading is complete then
   */
  boolean read(int port, VcpuFd vcpu) throws SysException {
    int elements = vcpu.ioCount();
    for (int i = 1; i < elements; i++) {
      vcpu.ioData(i, NOTHING);
    }
    if (port != CPUID_PORT) {
      long now = clock.nowNanos();
      vcpu.ioData(0, (int) now);
      if (comesBack(vcpu)) {
        return true;
      }
      if (elements > 1) {
        return false;
      }
      vcpu.readRegs();
      vcpu.reg(Reg.RDX, now >>> 32);
      if (port == CLOCK_AUX_PORT) {
        vcpu.reg(Reg.RCX, 0);
      }
      vcpu.writeRegs();
      return false;
    }
    vcpu.readRegs();
    cpuid.query((int) vcpu.reg(Reg.RAX), (int) vcpu.reg(Reg.RCX), scratch);
    vcpu.ioData(0, scratch[0]);
    if (comesBack(vcpu)) {
      return true;
    }
    if (elements > 1) {
      return false;
    }
    vcpu.readRegs();
    vcpu.reg(Reg.RBX, scratch[1] & LOW_32);
    vcpu.reg(Reg.RCX, scratch[2] & LOW_32);
    vcpu.reg(Reg.RDX, scratch[3] & LOW_32);
    vcpu.writeRegs();
    return false;
  }

  private static boolean comesBack(VcpuFd vcpu) throws SysException {
    return vcpu.completeInstruction() && vcpu.exitReason() != KVM_EXIT_DEBUG;
  }
}
