package lockstep.monitor.input;

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
   * The vCPU would take an interrupt at this very instruction boundary. Completes a pending port or
   * MMIO instruction first (KVM: docs/virt/kvm/api.rst, KVM_RUN with immediate_exit) where the
   * answer would otherwise be of the instruction before.
   */
  boolean canTakeInterrupt();

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
