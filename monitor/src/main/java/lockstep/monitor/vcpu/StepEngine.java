package lockstep.monitor.vcpu;

import java.util.Arrays;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.sys.SysException;

/**
 * Keeps single steps invisible to the guest. KVM steps by setting TF, which the CPU saves wherever
 * it saves RFLAGS: this class says which instructions can be stepped over, and takes TF out of what
 * PUSHF and exceptions left behind.
 *
 * <p>Not undone: the frame of an exception that goes to an IST stack (Linux has none at CPL 0 that
 * an ordinary instruction raises). Owned by the vCPU thread.
 */
final class StepEngine {
  private static final int MAX_INSTRUCTION_BYTES = 15;

  private static final long TRAP_FLAG = 0x100;
  private static final long INTERRUPT_FLAG = 0x200;
  private static final long PROTECTION_ENABLE = 1;
  private static final long LONG_MODE_ACTIVE = 0x400;

  /** No page begins here. */
  private static final long NO_PAGE = 1;

  private static final int PUSHED_TRAP_BYTE = 1;
  private static final int TSS_RSP0 = 4;

  private final VcpuFd vcpu;
  private final GuestMemory memory;

  /** As of the last {@link #canStep}. */
  private StepKind kind = StepKind.REFUSED;

  private boolean longMode;
  private boolean wideStack;
  private boolean realMode;
  private int operandBytes;
  private long stackBase;
  private int codeSelector;
  private boolean kernel;
  private long rip;
  private long rsp;
  private boolean interruptsWereOff;
  private long linearPage = NO_PAGE;
  private long physicalPage;

  StepEngine(VcpuFd vcpu, GuestMemory memory) {
    this.vcpu = vcpu;
    this.memory = memory;
  }

  /** Whether the next instruction can be stepped over; also prepares {@link #begin}. */
  boolean canStep() throws SysException {
    begin();
    return switch (kind) {
      case REFUSED, HALT -> false;
      case POPS_FLAGS -> !trapFlagAt(stack(rsp));
      case INTERRUPT_RETURN -> !trapFlagAt(stack(rsp + 2L * operandBytes));
      case PLAIN, PUSHES_FLAGS, STI -> true;
    };
  }

  /** Looks at the instruction that is about to be stepped over; at an instruction boundary. */
  void begin() throws SysException {
    forgetPage();
    vcpu.readRegs();
    vcpu.readSregs();
    Segment code = vcpu.sregs().segment(SegmentName.CS);
    Segment stack = vcpu.sregs().segment(SegmentName.SS);
    rip = vcpu.reg(Reg.RIP);
    rsp = vcpu.reg(Reg.RSP);
    longMode = code.longMode();
    wideStack = longMode || stack.db();
    realMode = (vcpu.sregs().cr0() & PROTECTION_ENABLE) == 0;
    stackBase = longMode ? 0 : stack.base();
    codeSelector = code.selector();
    kernel = realMode || vcpu.sregs().privilegeLevel() == 0;
    interruptsWereOff = (vcpu.reg(Reg.RFLAGS) & INTERRUPT_FLAG) == 0;
    byte[] bytes = bytesAt(longMode ? rip : code.base() + (rip & 0xffff_ffffL));
    kind = StepKind.of(bytes, longMode);
    operandBytes = operandBytes(bytes, code);
    if ((vcpu.reg(Reg.RFLAGS) & TRAP_FLAG) != 0) {
      kind = StepKind.REFUSED; // the guest steps itself
    }
  }

  /** What PUSHF and IRET move at once. */
  private int operandBytes(byte[] code, Segment segment) {
    boolean other = false;
    boolean wide = false;
    for (byte prefix : code) {
      if (longMode && (prefix & 0xf8) == 0x48) {
        wide = true;
      } else if (prefix == 0x66) {
        other = true;
      } else if (prefix == (byte) 0x9c || prefix == (byte) 0x9d || prefix == (byte) 0xcf) {
        break;
      }
    }
    if (longMode) {
      // PUSHF and POPF are 64 bits wide by themselves, IRET is not.
      if (wide || (kind != StepKind.INTERRUPT_RETURN && !other)) {
        return 8;
      }
      return other ? 2 : 4;
    }
    return segment.db() == other ? 2 : 4;
  }

  /** Whether the next instruction is HLT. */
  boolean atHalt() {
    return kind == StepKind.HALT;
  }

  /** Whether it also halts: for user code it is a fault. */
  boolean atKernelHalt() {
    return atHalt() && kernel;
  }

  /**
   * Takes TF out of what the step saved, whatever ended it.
   *
   * @return whether the vCPU now stands in the shadow of STI
   */
  boolean finish(boolean stepped) throws SysException {
    forgetPage();
    vcpu.readRegs();
    long now = vcpu.reg(Reg.RSP);
    if (kind == StepKind.PUSHES_FLAGS && now == rsp - operandBytes) {
      clearTrapFlagAt(stack(now));
    } else {
      clearExceptionFrame();
    }
    return stepped && kind == StepKind.STI && interruptsWereOff;
  }

  /** An exception in the step pushed RFLAGS with TF; its handler may be over already. */
  private void clearExceptionFrame() throws SysException {
    if ((vcpu.sregs().efer() & LONG_MODE_ACTIVE) != 0) {
      long top = (kernel ? stack(rsp) : taskStack()) & -16L;
      if (load(top - 40, 8) == rip && load(top - 16, 8) == rsp) {
        clearTrapFlagAt(top - 24);
      }
    } else if (kernel) {
      int width = realMode ? 2 : 4;
      long mask = realMode ? 0xffff : 0xffff_ffffL;
      if (load(stack(rsp - 3L * width), width) == (rip & mask)
          && (load(stack(rsp - 2L * width), width) & 0xffff) == codeSelector) {
        clearTrapFlagAt(stack(rsp - width));
      }
    }
  }

  /** RSP0 of the 64-bit TSS (AMD64 APM volume 2, 12.2.5). */
  private long taskStack() throws SysException {
    return load(vcpu.sregs().segment(SegmentName.TR).base() + TSS_RSP0, 8);
  }

  private boolean trapFlagAt(long linear) throws SysException {
    return (load(linear, 2) & TRAP_FLAG) != 0;
  }

  private void clearTrapFlagAt(long linear) throws SysException {
    long physical = physical(linear + PUSHED_TRAP_BYTE);
    if (physical >= 0) {
      memory.putByte(physical, memory.getByte(physical) & ~(int) (TRAP_FLAG >> Byte.SIZE));
    }
  }

  /** The linear address of a place on the guest's stack. */
  private long stack(long address) {
    if (longMode) {
      return address;
    }
    return stackBase + (address & (wideStack ? 0xffff_ffffL : 0xffff));
  }

  /** Little-endian; 0 for bytes that are not mapped. */
  private long load(long linear, int bytes) throws SysException {
    long value = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      long physical = physical(linear + i);
      value = (value << Byte.SIZE) | (physical < 0 ? 0 : memory.getByte(physical) & 0xff);
    }
    return value;
  }

  /** The instruction's bytes as far as they are mapped. */
  private byte[] bytesAt(long linear) throws SysException {
    byte[] bytes = new byte[MAX_INSTRUCTION_BYTES];
    for (int i = 0; i < bytes.length; i++) {
      long physical = physical(linear + i);
      if (physical < 0) {
        return Arrays.copyOf(bytes, i);
      }
      bytes[i] = (byte) memory.getByte(physical);
    }
    return bytes;
  }

  /** The guest may have changed its page tables, or runs on others. */
  private void forgetPage() {
    linearPage = NO_PAGE;
  }

  /** Through the vCPU's page tables; asks KVM once for bytes on the same page. */
  private long physical(long linear) throws SysException {
    long page = linear & -GuestMemory.PAGE_BYTES;
    if (page != linearPage) {
      linearPage = page;
      physicalPage = vcpu.translate(page);
    }
    long physical = physicalPage + (linear - page);
    return physicalPage >= 0 && memory.contains(physical, 1) ? physical : -1;
  }
}
