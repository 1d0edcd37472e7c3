package lockstep.monitor.vcpu;

import java.util.Arrays;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.monitor.input.CodeAt;
import lockstep.monitor.state.Bytes;
import lockstep.sys.SysException;

/** Reads the code around RIP through the guest's page tables. */
public final class CodeWindow {
  /** Enough for a disassembly to be in step with the code some instructions before RIP. */
  private static final int BEFORE_BYTES = 64;

  private static final int FROM_BYTES = 32;

  private CodeWindow() {}

  /** The code where the vCPU stands now; at an instruction boundary. */
  public static CodeAt of(VcpuFd vcpu, GuestMemory memory) throws SysException {
    vcpu.readRegs();
    vcpu.readSregs();
    Segment code = vcpu.sregs().segment(SegmentName.CS);
    int bits = code.longMode() ? 64 : code.db() ? 32 : 16;
    long rip = vcpu.reg(Reg.RIP);
    long linear = code.longMode() ? rip : code.base() + rip;
    byte[] before = new byte[BEFORE_BYTES];
    int start = BEFORE_BYTES;
    while (start > 0 && load(vcpu, memory, linear - BEFORE_BYTES + start - 1, before, start - 1)) {
      start--;
    }
    byte[] from = new byte[FROM_BYTES];
    int end = 0;
    while (end < FROM_BYTES && load(vcpu, memory, linear + end, from, end)) {
      end++;
    }
    return new CodeAt(
        rip,
        bits,
        Bytes.copyOf(Arrays.copyOfRange(before, start, BEFORE_BYTES)),
        Bytes.copyOf(Arrays.copyOf(from, end)));
  }

  private static boolean load(VcpuFd vcpu, GuestMemory memory, long linear, byte[] into, int at)
      throws SysException {
    long physical = vcpu.translate(linear);
    if (physical < 0 || !memory.contains(physical, 1)) {
      return false;
    }
    into[at] = (byte) memory.getByte(physical);
    return true;
  }
}
