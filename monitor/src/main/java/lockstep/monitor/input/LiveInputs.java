package lockstep.monitor.input;

import lockstep.monitor.state.Bytes;
import lockstep.sys.SysException;

/**
 * The InputSource of a machine that runs live and unrecorded. Inputs are applied wherever the vCPU
 * happens to stop.
 */
public final class LiveInputs implements InputSource {
  /** Stands for "nothing to apply yet"; never handed out. */
  private static final ExternalInput NONE =
      new ExternalInput.HostDecision(ExternalInput.Decision.STOP);

  private final HostInputs host;
  private ExternalInput current = NONE;

  /**
   * @param host where the inputs come from
   */
  public LiveInputs(HostInputs host) {
    this.host = host;
  }

  @Override
  public long nowNanos() {
    return host.nowNanos();
  }

  @Override
  public Bytes entropy(int count) {
    return host.entropy(count);
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    ExternalInput due = host.due();
    if (due != null) {
      current = due;
      return Action.APPLY;
    }
    if (position.interruptPending()) {
      if (deliverable(position)) {
        return Action.DELIVER;
      }
      if (!position.halted()) {
        return Action.RUN_TO_WINDOW;
      }
    }
    if (!position.halted()) {
      return Action.RUN;
    }
    host.await();
    return Action.WAIT;
  }

  /**
   * Whether the guest takes an interrupt now. The last exit's instruction may still end in an
   * exception (a refused MSR, a string instruction into an unmapped page): KVM then drops a vector
   * that was queued before, and the interrupt controller waits for its end for ever.
   */
  private static boolean deliverable(VcpuPosition position) throws SysException {
    if (!position.canTakeInterrupt()) {
      return false;
    }
    position.completeInstruction();
    return position.interruptPending() && position.canTakeInterrupt();
  }

  @Override
  public ExternalInput input() {
    return current;
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    host.armTimer(timer, deadlineNanos);
  }

  @Override
  public void delivered(int vector) {
    // Nobody compares vectors when nothing is logged.
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    // Nobody compares exits when nothing is logged.
  }
}
