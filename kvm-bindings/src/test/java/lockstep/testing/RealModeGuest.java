package lockstep.testing;

import lockstep.kvm.CpuModel;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Kvm;
import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.kvm.VmFd;
import lockstep.sys.SysException;

/** A tiny 16-bit guest whose program is given as bytes and starts at {@link #ENTRY}. */
public final class RealModeGuest implements AutoCloseable {
  /** Where the program lies, linear and as IP with CS 0. */
  public static final int ENTRY = 0x1000;

  /** How much RAM it has; what lies above is MMIO. */
  public static final int MEMORY_BYTES = 0x10_0000;

  private final Kvm kvm;
  private final GuestMemory memory;
  private final VmFd vm;
  private final VcpuFd vcpu;

  private RealModeGuest(Kvm kvm, GuestMemory memory, VmFd vm, VcpuFd vcpu) {
    this.kvm = kvm;
    this.memory = memory;
    this.vm = vm;
    this.vcpu = vcpu;
  }

  /**
   * Builds a guest; registers are zero except RFLAGS, RSP (0x8000) and RIP.
   *
   * @param program its bytes, each given as an int for readability
   */
  public static RealModeGuest of(int... program) throws SysException {
    Kvm kvm = Kvm.open();
    GuestMemory memory = GuestMemory.allocate(MEMORY_BYTES, MEMORY_BYTES);
    VmFd vm = kvm.createVm();
    vm.reserveVmxPages();
    vm.setMemory(memory, true);
    VcpuFd vcpu = vm.createVcpu();
    vcpu.setCpuid(CpuModel.table(CpuModel.Kind.DETERMINISTIC, kvm.supportedCpuid()));
    vcpu.kick().bindToThisThread();
    for (int i = 0; i < program.length; i++) {
      memory.putByte(ENTRY + i, program[i]);
    }
    vcpu.readSregs();
    for (SegmentName name :
        new SegmentName[] {
          SegmentName.CS,
          SegmentName.DS,
          SegmentName.ES,
          SegmentName.FS,
          SegmentName.GS,
          SegmentName.SS
        }) {
      int type = name == SegmentName.CS ? 11 : 3;
      vcpu.sregs()
          .segment(name, new Segment(0, 0, 0xffff, type, true, 0, false, true, false, false));
    }
    vcpu.writeSregs();
    for (Reg reg : Reg.values()) {
      vcpu.reg(reg, 0);
    }
    vcpu.reg(Reg.RFLAGS, 2);
    vcpu.reg(Reg.RSP, 0x8000);
    vcpu.reg(Reg.RIP, ENTRY);
    vcpu.writeRegs();
    return new RealModeGuest(kvm, memory, vm, vcpu);
  }

  /** Its RAM. */
  public GuestMemory memory() {
    return memory;
  }

  /** Its virtual machine. */
  public VmFd vm() {
    return vm;
  }

  /** Its vCPU, bound to the thread that built the guest. */
  public VcpuFd vcpu() {
    return vcpu;
  }

  /** Enters the guest; a stop without an exit is a test failure. */
  public int runToExit() throws SysException {
    if (!vcpu.run()) {
      throw new AssertionError("KVM_RUN was interrupted and nobody kicked");
    }
    return vcpu.exitReason();
  }

  @Override
  public void close() {
    vcpu.close();
    vm.close();
    memory.close();
    kvm.close();
  }
}
