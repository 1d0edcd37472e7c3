package lockstep.monitor.input;

import lockstep.sys.SysException;

/**
 * Where the vCPU stands and what it could take, as the {@link InputSource} sees it. Valid only
 * during the call it was passed to; owned by the vCPU thread.
 */
public interface VcpuPosition {
  /** Guest exits handled since the machine was created. */
  long guestExits();

  /** Why the vCPU stands here. */
  Stop stop();

  /** The guest executed HLT and waits for an interrupt. */
  boolean halted();

  /** The interrupt controller asserts its line to the CPU. */
  boolean interruptPending();

  /**
   * The vCPU would take an interrupt at this very instruction boundary. As KVM said when it last
   * came back: after a port, MMIO or MSR exit that is before the instruction's end, which may be an
   * exception, so {@link #completeInstruction} comes before {@code Action.DELIVER}.
   */
  boolean canTakeInterrupt();

  /** RFLAGS.IF when KVM last came back. */
  boolean interruptsEnabled();

  /**
   * Finishes a port, MMIO or MSR instruction whose exit was handled (KVM: docs/virt/kvm/api.rst,
   * KVM_RUN with immediate_exit). A string instruction comes back with its next exit, which is
   * handled too, so {@link #guestExits} may have grown, and one of these exits may have been the
   * guest's end: see {@link #ended}.
   */
  void completeInstruction() throws SysException;

  /**
   * Whether the guest has ended itself while its instruction was completed. Whatever the source
   * answers then, the guest is not entered, no input is applied and no interrupt delivered: a
   * source that logs must not log any.
   */
  boolean ended();

  /**
   * Reads the general registers, in the order of {@code lockstep.kvm.Reg}; completes the
   * instruction first.
   *
   * @param values takes {@link #REGISTERS} values
   */
  void readRegisters(long[] values) throws SysException;

  /** Whether the vCPU is in CPL 0; completes the instruction first. */
  boolean inKernelMode() throws SysException;

  /**
   * Whether the next instruction can be single-stepped without the guest noticing; completes the
   * one before it first. Depends on the guest's state alone.
   */
  boolean canStep() throws SysException;

  /** The whole machine as it stands. */
  StoppedMachine machine();

  /** How many general registers there are: 16, RIP and RFLAGS. */
  int REGISTERS = 18;

  /** Why the last entry into the guest ended. */
  enum Stop {
    /** Before the first instruction, or after a restore. */
    START,
    /** A guest exit was handled to its end: a point that every replay finds again. */
    GUEST_EXIT,
    /** One instruction was single-stepped. */
    STEPPED,
    /** The host broke in (kick, interrupt window): not a point that a replay can find. */
    HOST
  }
}
