package lockstep.replay.record;

/** Which guest code this host's KVM can single-step exactly. */
public enum StepReach {
  /** None. */
  NONE,
  /** Code at CPL 0 only; a step at CPL 3 would end the guest. */
  KERNEL,
  /** All of it. */
  ALL
}
