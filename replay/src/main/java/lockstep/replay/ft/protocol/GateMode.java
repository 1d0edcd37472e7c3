package lockstep.replay.ft.protocol;

/** When the outputs of a side leave. */
public enum GateMode {
  /** This side is the VM alone, by decision: at once. */
  FREE,
  /** The VM is protected: when acknowledged. */
  GATED,
  /** It is not decided which side is the VM: not. */
  CLOSED,
  /**
   * This side follows: not, and the count of the other side drops what the other side has let out.
   */
  HOLDING,
  /** This side has lost: never, and what waits is dropped. */
  DEAD
}
