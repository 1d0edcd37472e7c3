package lockstep.monitor.vcpu;

import java.util.Locale;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.sys.SysException;

/** Registers and the bytes at RIP as text, for reports. */
public final class RegisterDump {
  private static final int CODE_BYTES = 16;
  private static final int REGISTERS_PER_LINE = 4;

  private RegisterDump() {}

  /** The registers as they are now. */
  public static String of(VcpuFd vcpu, GuestMemory memory) throws SysException {
    vcpu.readRegs();
    vcpu.readSregs();
    StringBuilder text = new StringBuilder(1024);
    int column = 0;
    for (Reg reg : Reg.values()) {
      text.append(String.format(Locale.ROOT, "%-6s %016x", reg.name(), vcpu.reg(reg)));
      text.append(++column % REGISTERS_PER_LINE == 0 ? System.lineSeparator() : "  ");
    }
    text.append(System.lineSeparator());
    SystemRegisters system = vcpu.sregs();
    text.append(
        String.format(
            Locale.ROOT,
            "CR0 %x  CR2 %x  CR3 %x  CR4 %x  EFER %x%n",
            system.cr0(),
            system.cr2(),
            system.cr3(),
            system.cr4(),
            system.efer()));
    for (SegmentName name : new SegmentName[] {SegmentName.CS, SegmentName.SS}) {
      Segment segment = system.segment(name);
      text.append(
          String.format(
              Locale.ROOT,
              "%s %04x base %x limit %x dpl %d  ",
              name,
              segment.selector(),
              segment.base(),
              segment.limit(),
              segment.dpl()));
    }
    text.append(System.lineSeparator()).append(code(vcpu, memory));
    return text.toString();
  }

  private static String code(VcpuFd vcpu, GuestMemory memory) throws SysException {
    long linear = vcpu.reg(Reg.RIP) + vcpu.sregs().segment(SegmentName.CS).base();
    long physical = vcpu.translate(linear);
    StringBuilder text = new StringBuilder("code at RIP:");
    for (int i = 0; i < CODE_BYTES; i++) {
      if (physical < 0 || !memory.contains(physical + i, 1)) {
        return i == 0 ? "code at RIP: not in RAM" : text.toString();
      }
      text.append(String.format(Locale.ROOT, " %02x", memory.getByte(physical + i)));
    }
    return text.toString();
  }
}
