package lockstep.monitor.state;

/** An enum that may stand in a State record: its wire number is written down, never its ordinal. */
public interface WireEnum {
  /** The number in digests, snapshots and logs; it never changes for a constant. */
  int wire();
}
