package lockstep.monitor.vcpu;

import lockstep.monitor.state.DeviceState;

/**
 * What the vCPU loop itself remembers from one entry into the guest to the next.
 *
 * @param guestExits guest exits handled since the machine was created
 * @param halted the guest executed HLT and waits for an interrupt
 * @param interruptQueued an interrupt was delivered that the guest has not entered yet
 * @param beforeHalt the guest was stopped right before an HLT, which comes before any interrupt
 */
public record LoopState(
    long guestExits, boolean halted, boolean interruptQueued, boolean beforeHalt)
    implements DeviceState {
  /** Checks the range. */
  public LoopState {
    if (guestExits < 0) {
      throw new IllegalArgumentException(guestExits + " guest exits");
    }
  }
}
