package lockstep.monitor.quirk;

import java.nio.ByteBuffer;
import java.util.Optional;
import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.monitor.bus.DmaMemory;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_h;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/**
 * What is done for a machine on a KVM that does not run a kernel as hardware would
 * (docs/host-kvm.md). Every action is a function of guest state at an exit the guest made, so a
 * replay on a like host repeats it.
 */
public final class Quirks {
  /** MSR LSTAR: where SYSCALL enters the kernel. */
  public static final int MSR_LSTAR = 0xc000_0082;

  private static final int INT3 = 0xcc;
  private static final int FWAIT = 0x9b;
  private static final int VECTOR_BREAKPOINT = 3;
  private static final int VECTOR_PAGE_FAULT = 14;
  private static final int GATE_BYTES = 16;

  private final QuirkSet set;
  private final DmaMemory memory;
  private final byte[] opcode = new byte[1];
  private boolean told;

  /**
   * @param set which quirks the probes switched on
   * @param memory the guest's RAM; what is written goes where the devices' writes go
   */
  public Quirks(QuirkSet set, DmaMemory memory) {
    this.set = set;
    this.memory = memory;
  }

  /** Whether the guest's writes to LSTAR must leave the guest, for {@link #lstarWritten}. */
  public boolean watchesLstar() {
    return set.syscallShim();
  }

  /**
   * Tries to get over an instruction that this KVM cannot emulate: INT3 and FWAIT.
   *
   * @return false if the error stands
   */
  public boolean recover(VcpuFd vcpu) throws SysException {
    if (vcpu.internalSuberror() != kvm_h.KVM_INTERNAL_ERROR_EMULATION) {
      return false;
    }
    vcpu.readRegs();
    vcpu.readSregs();
    long rip = vcpu.reg(Reg.RIP);
    Segment code = vcpu.sregs().segment(SegmentName.CS);
    long linear = code.longMode() ? rip : (code.base() + rip) & 0xffff_ffffL;
    long address = vcpu.translate(linear);
    if (address < 0 || !memory.contains(address, 1)) {
      return false;
    }
    memory.read(address, opcode, 0, 1);
    switch (opcode[0] & 0xff) {
      case INT3 -> {
        boolean _ = vcpu.endInterruptShadow();
        if (BreakpointTrap.deliver(vcpu, new Text(vcpu))) {
          return true;
        }
        vcpu.reg(Reg.RIP, rip + 1);
        vcpu.writeRegs();
        vcpu.injectException(VECTOR_BREAKPOINT);
        return true;
      }
      case FWAIT -> {
        vcpu.reg(Reg.RIP, rip + 1);
        vcpu.writeRegs();
        return true;
      }
      default -> {
        return false;
      }
    }
  }

  /**
   * The guest's kernel announced its system call entry: the shim goes in, if this KVM needs it and
   * the page-fault handler is there already. Kernels write LSTAR after they set up their IDT.
   */
  public void lstarWritten(VcpuFd vcpu, long lstar) throws SysException {
    if (!set.syscallShim() || lstar == 0) {
      return;
    }
    vcpu.readSregs();
    long idt = vcpu.sregs().idtBase();
    byte[] gate = new byte[GATE_BYTES];
    Text text = new Text(vcpu);
    Optional<String> problem =
        text.read(idt + VECTOR_PAGE_FAULT * GATE_BYTES, gate)
            ? SyscallShim.install(text, lstar, gateTarget(gate))
            : Optional.of("the IDT is not mapped");
    if (problem.isPresent() && !told) {
      // Once: a guest may write LSTAR as often as it likes.
      told = true;
      log()
          .warn(
              "system calls will not work in this guest on this KVM: {} (docs/host-kvm.md)",
              problem.get());
    }
  }

  /** Where a 16-byte gate leads. */
  static long gateTarget(byte[] gate) {
    long target = 0;
    int[] positions = {0, 1, 6, 7, 8, 9, 10, 11};
    for (int i = 0; i < positions.length; i++) {
      target |= (gate[positions[i]] & 0xffL) << (8 * i);
    }
    return target;
  }

  /** Guest-virtual access through the vCPU's page tables, page by page. */
  private final class Text implements SyscallShim.Text {
    private static final int PAGE_BYTES = 4096;
    private final VcpuFd vcpu;

    Text(VcpuFd vcpu) {
      this.vcpu = vcpu;
    }

    @Override
    public boolean read(long address, byte[] into) {
      return pieces(address, into, false);
    }

    @Override
    public boolean write(long address, byte[] from) {
      return pieces(address, from, true);
    }

    private boolean pieces(long address, byte[] bytes, boolean write) {
      int done = 0;
      while (done < bytes.length) {
        long virtual = address + done;
        int inPage = (int) (PAGE_BYTES - (virtual & (PAGE_BYTES - 1)));
        int length = Math.min(inPage, bytes.length - done);
        long physical = physical(virtual);
        if (physical < 0 || !memory.contains(physical, length)) {
          return false;
        }
        if (write) {
          memory.write(physical, ByteBuffer.wrap(bytes, done, length));
        } else {
          memory.read(physical, bytes, done, length);
        }
        done += length;
      }
      return true;
    }

    private long physical(long virtual) {
      try {
        return vcpu.translate(virtual);
      } catch (SysException e) {
        if (!told) {
          told = true;
          log().warn("cannot translate a guest address: {}", e.getMessage());
        }
        return -1;
      }
    }
  }

  // Looked up when there is something to say: starting Log4j is a good part of a short run's time.
  private static Logger log() {
    return LogManager.getLogger(Quirks.class);
  }
}
