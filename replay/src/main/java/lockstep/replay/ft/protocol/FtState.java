package lockstep.replay.ft.protocol;

/** Where one side of a pair stands; docs/fault-tolerance.md draws it. */
public enum FtState {
  /** Backup without a primary. */
  WAITING,
  /** Backup; the machine's state is on its way. */
  RECEIVING,
  /** Backup; replays. */
  FOLLOWING,
  /** Backup; no more entries come, and it replays those that it has before it asks the disk. */
  CATCHING_UP,
  /** Either; the other side is lost, and the disk is asked who goes on. */
  CLAIMING,
  /** Backup; has won and becomes the VM. */
  TAKING_OVER,
  /** Is the VM, without a backup. */
  ALONE,
  /** Is the VM; the state is on its way to a backup. */
  PAIRING,
  /** Is the VM; outputs wait for the backup. */
  PROTECTED,
  /** Was the VM and asked the backup to go on; stands until it is known which of them does. */
  HANDING_OVER,
  /** Has lost, or can do nothing more: silent for good. */
  HALTED,
  /** Over, in order. */
  ENDED;

  /** Whether a side in this state is the VM, as far as it knows. */
  public boolean isTheVm() {
    return this == ALONE || this == PAIRING || this == PROTECTED;
  }

  /** Whether it is open which of the two sides goes on. */
  public boolean isUndecided() {
    return this == CLAIMING || this == HANDING_OVER;
  }
}
