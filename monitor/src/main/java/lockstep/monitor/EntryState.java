package lockstep.monitor;

import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.monitor.boot.EntryRegisters;
import lockstep.monitor.boot.SegmentRegister;
import lockstep.sys.SysException;

/** Carries a loader's entry registers into a vCPU. */
final class EntryState {
  private EntryState() {}

  static void apply(EntryRegisters entry, VcpuFd vcpu) throws SysException {
    vcpu.readSregs();
    SystemRegisters system = vcpu.sregs();
    system.segment(SegmentName.CS, segment(entry.cs()));
    for (SegmentName name :
        new SegmentName[] {
          SegmentName.DS, SegmentName.ES, SegmentName.FS, SegmentName.GS, SegmentName.SS
        }) {
      system.segment(name, segment(entry.ds()));
    }
    system.segment(SegmentName.TR, segment(entry.tr()));
    system.segment(SegmentName.LDT, segment(entry.ldt()));
    system.gdt(entry.gdt().base(), entry.gdt().limit());
    system.idt(entry.idt().base(), entry.idt().limit());
    system.disableApic();
    system.control(entry.cr0(), entry.cr3(), entry.cr4(), entry.efer());
    vcpu.writeSregs();
    for (Reg register : Reg.values()) {
      vcpu.reg(register, 0);
    }
    vcpu.reg(Reg.RIP, entry.rip());
    vcpu.reg(Reg.RSP, entry.rsp());
    vcpu.reg(Reg.RAX, entry.rax());
    vcpu.reg(Reg.RBX, entry.rbx());
    vcpu.reg(Reg.RDX, entry.rdx());
    vcpu.reg(Reg.RSI, entry.rsi());
    vcpu.reg(Reg.RFLAGS, entry.rflags());
    vcpu.writeRegs();
  }

  private static Segment segment(SegmentRegister from) {
    return new Segment(
        from.selector(),
        from.base(),
        (int) from.limit(),
        from.type(),
        from.usable(),
        0,
        from.default32(),
        from.codeOrData(),
        from.longMode(),
        from.granular());
  }
}
