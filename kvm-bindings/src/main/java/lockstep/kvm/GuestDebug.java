package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_debug_exit_arch;
import lockstep.uapi.kvm_guest_debug;
import lockstep.uapi.kvm_guest_debug_arch;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_run;

/**
 * Single-step and hardware breakpoints of one vCPU (KVM_SET_GUEST_DEBUG); a hit is a
 * KVM_EXIT_DEBUG. Not every KVM honours both: docs/host-kvm.md. Owned by the vCPU's thread.
 */
public final class GuestDebug {
  /** An x86 CPU has four. */
  public static final int MAX_BREAKPOINTS = 4;

  private static final int DR7 = 7;

  /** DR7: bits that always read as one, and "local exact". */
  private static final long DR7_BASE = 0x600;

  private static final long[] NO_BREAKPOINTS = {};
  private static final long EXIT_ARCH = kvm_run.debug$offset() + kvm_run.debug.arch$offset();

  private final VcpuFd vcpu;
  private final MemorySegment run;
  private final MemorySegment request;
  private int control;
  private long[] breakpoints = NO_BREAKPOINTS;

  GuestDebug(VcpuFd vcpu, MemorySegment run, Arena arena) {
    this.vcpu = vcpu;
    this.run = run;
    this.request = kvm_guest_debug.allocate(arena);
  }

  /**
   * Replaces all debugging by this. Costs a system call only if something changes.
   *
   * @param singleStep stop after every instruction
   * @param blockInterrupts deliver no interrupt while stepping (KVM_GUESTDBG_BLOCKIRQ; only where
   *     {@link KvmCapability#SET_GUEST_DEBUG2} has that flag)
   */
  public void set(boolean singleStep, boolean blockInterrupts) throws SysException {
    set(singleStep, blockInterrupts, NO_BREAKPOINTS);
  }

  /**
   * The same with breakpoints.
   *
   * @param executionBreakpoints linear addresses of instructions to stop before, at most {@value
   *     #MAX_BREAKPOINTS}
   */
  public void set(boolean singleStep, boolean blockInterrupts, long... executionBreakpoints)
      throws SysException {
    if (executionBreakpoints.length > MAX_BREAKPOINTS) {
      throw new IllegalArgumentException(executionBreakpoints.length + " breakpoints");
    }
    int wanted =
        (singleStep ? kvm_h.KVM_GUESTDBG_SINGLESTEP : 0)
            | (blockInterrupts ? kvm_h.KVM_GUESTDBG_BLOCKIRQ : 0)
            | (executionBreakpoints.length > 0 ? kvm_h.KVM_GUESTDBG_USE_HW_BP : 0);
    if (wanted != 0) {
      wanted |= kvm_h.KVM_GUESTDBG_ENABLE;
    }
    if (wanted == control && Arrays.equals(executionBreakpoints, breakpoints)) {
      return;
    }
    request.fill((byte) 0);
    kvm_guest_debug.control(request, wanted);
    if (executionBreakpoints.length > 0) {
      MemorySegment registers = kvm_guest_debug_arch.debugreg(kvm_guest_debug.arch(request));
      long enabled = DR7_BASE;
      for (int i = 0; i < executionBreakpoints.length; i++) {
        registers.setAtIndex(JAVA_LONG, i, executionBreakpoints[i]);
        enabled |= 2L << (2 * i); // Gi; length and type 0: execution
      }
      registers.setAtIndex(JAVA_LONG, DR7, enabled);
    }
    vcpu.ioctl(kvm_h.KVM_SET_GUEST_DEBUG, request, "KVM_SET_GUEST_DEBUG");
    control = wanted;
    breakpoints = executionBreakpoints.length == 0 ? NO_BREAKPOINTS : executionBreakpoints.clone();
  }

  /** Debug exits: the linear address of the next instruction. */
  public long exitAddress() {
    return run.get(JAVA_LONG_UNALIGNED, EXIT_ARCH + kvm_debug_exit_arch.pc$offset());
  }

  /** Debug exits: DR6, which says why: bit 14 a step, bits 0..3 a breakpoint. */
  public long exitDr6() {
    return run.get(JAVA_LONG_UNALIGNED, EXIT_ARCH + kvm_debug_exit_arch.dr6$offset());
  }
}
