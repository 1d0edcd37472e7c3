package lockstep.monitor.quirk;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.sys.SysException;

/**
 * Delivers INT3 of 64-bit kernel code as the CPU would (AMD64 Architecture Programmer's Manual,
 * volume 2, 8.9). KVM could inject #BP, but until it has, the exception is nowhere in the state
 * that it shows (KVM_GET_VCPU_EVENTS leaves out #BP and #OF): a state-sync or a snapshot would lose
 * it. Here it is over before anybody looks.
 */
final class BreakpointTrap {
  private static final int VECTOR = 3;
  private static final int GATE_BYTES = 16;
  private static final int GATE_TYPE = 5;
  private static final int PRESENT = 0x80;
  private static final int TYPE_MASK = 0x1f;
  private static final int INTERRUPT_GATE = 0x0e;
  private static final int TRAP_GATE = 0x0f;
  private static final int TSS_IST1 = 0x24;
  private static final int FRAME_BYTES = 40;

  private static final long INTERRUPT_FLAG = 0x200;

  /** TF, NT, RF and VM: cleared on the way into every handler. */
  private static final long CLEARED_FLAGS = 0x100 | 0x4000 | 0x10000 | 0x20000;

  private BreakpointTrap() {}

  /**
   * Brings the vCPU, whose registers have been read and which stands at an INT3, to the first
   * instruction of the handler.
   *
   * @return false, and nothing is changed, where this would be more than a frame on the kernel's
   *     stack: other modes, user code, a gate that leads to another code segment, or that faults
   */
  static boolean deliver(VcpuFd vcpu, SyscallShim.Text text) throws SysException {
    vcpu.readSregs();
    Segment code = vcpu.sregs().segment(SegmentName.CS);
    if (!code.longMode() || vcpu.sregs().privilegeLevel() != 0) {
      return false;
    }
    byte[] gateBytes = new byte[GATE_BYTES];
    if (!text.read(vcpu.sregs().idtBase() + VECTOR * GATE_BYTES, gateBytes)) {
      return false;
    }
    ByteBuffer gate = little(gateBytes);
    int kind = gate.get(GATE_TYPE) & 0xff;
    int type = kind & TYPE_MASK;
    int selector = Short.toUnsignedInt(gate.getShort(2));
    if ((kind & PRESENT) == 0
        || (type != INTERRUPT_GATE && type != TRAP_GATE)
        || selector != code.selector()) {
      return false;
    }
    long flags = vcpu.reg(Reg.RFLAGS);
    long rsp = vcpu.reg(Reg.RSP);
    long top = rsp;
    int stack = gate.get(4) & 7;
    if (stack != 0) {
      byte[] pointer = new byte[Long.BYTES];
      long task = vcpu.sregs().segment(SegmentName.TR).base();
      if (!text.read(task + TSS_IST1 + (stack - 1L) * Long.BYTES, pointer)) {
        return false;
      }
      top = little(pointer).getLong(0);
    }
    long bottom = (top & -16L) - FRAME_BYTES;
    byte[] frame = new byte[FRAME_BYTES];
    little(frame)
        .putLong(vcpu.reg(Reg.RIP) + 1)
        .putLong(code.selector())
        .putLong(flags)
        .putLong(rsp)
        .putLong(vcpu.sregs().segment(SegmentName.SS).selector());
    if (!text.write(bottom, frame)) {
      return false;
    }
    vcpu.reg(Reg.RSP, bottom);
    vcpu.reg(Reg.RIP, Quirks.gateTarget(gateBytes));
    vcpu.reg(Reg.RFLAGS, flags & ~CLEARED_FLAGS & (type == INTERRUPT_GATE ? ~INTERRUPT_FLAG : -1L));
    vcpu.writeRegs();
    return true;
  }

  private static ByteBuffer little(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
