package lockstep.replay.ft;

/**
 * What can be broken on purpose, to see that the checks find it: each takes one rule out of the
 * world around the node, or says something to the node that it should have found out itself.
 */
enum SimPlant {
  NOTHING,
  /** Entries are acknowledged when they are sent. */
  ACK_BEFORE_RECEIPT,
  /** Outputs leave at once. */
  OUTPUT_BEFORE_ACK,
  /** Every claim is won. */
  LIVE_WITHOUT_ARBITRATION,
  /** Acknowledged outputs leave without a promise of the backup. */
  NO_LEASE,
  /** The disk takes claims of earlier pairs. */
  OLD_EPOCH_ACCEPTED,
  /** A storage that restarts forgets who has won. */
  STORAGE_FORGETS,
  /** A storage that does not answer counts as a verdict. */
  UNKNOWN_IS_LOST,
  /** The gate stays open while the disk is asked. */
  GATE_OPEN_WHILE_CLAIMING,
  /** A backup claims before it has replayed what it has. */
  CLAIM_BEFORE_REPLAY,
  /** A thread dies of an Error, and its process goes on. */
  NO_FAIL_STOP,
  /** A side whose threads stand still is never given up. */
  NO_STALL_WATCH,
  /** Writes that have left the gate reach the disk, whatever became of their side since. */
  NO_WRITE_PERMIT,
  /** A completed write is in the memory of one host. */
  WRITES_IN_HOST_CACHE,
  /** A stop is answered before it is known that the VM ends. */
  STOP_ANSWERED_AT_ONCE,
  /** Clocks differ by far more than the lease allows for. */
  FAST_CLOCKS
}
