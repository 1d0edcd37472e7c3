package lockstep.replay.ft.vcpu;

import lockstep.monitor.vcpu.RunResult;

/** How a VM ended at this host. */
public sealed interface VmEnd {
  /**
   * The guest ended, here.
   *
   * @param lostOutputs what it showed and the console or the disk did not take
   */
  record Guest(RunResult result, int lostOutputs) implements VmEnd {}

  /** The VM has ended, or was handed over to the other side; nothing is left to do here. */
  record Elsewhere(String reason) implements VmEnd {}

  /** This side has lost, or cannot go on. */
  record Halted(String reason) implements VmEnd {}
}
