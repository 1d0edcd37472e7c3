package lockstep.storage.scsi;

/** What a host may do with a disk over a new connection to its unit. */
public enum Standing {
  /**
   * The disk is this host's, or no reservation is in use there: the unit is reset so that nothing
   * of the former connection is carried out any more, and what was not answered is sent again.
   */
  HOLDS,

  /** Another host has the disk, as it should: commands go, and the unit is not reset. */
  FOLLOWS,

  /**
   * The unit has forgotten whose the disk is, and this host cannot know: nothing of a disk's
   * requests is sent or fails until that is known. To be asked again.
   */
  WAITS,

  /** The disk is another host's for good: a disk's requests are answered with a conflict. */
  LOST
}
