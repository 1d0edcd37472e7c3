package lockstep.storage.scsi;

import lockstep.replay.ft.disk.Claimant;

/** What an arbiter remembers of its own side, whatever the unit forgets. */
sealed interface Stake {
  /** Never made known to the disk. */
  record Outside() implements Stake {}

  /**
   * Known to the disk, and the matter of its pair is open.
   *
   * @param looks how often the unit has been told anew that this side has not won: a claim counts
   *     as won only if that has not happened since it began
   */
  record Open(Claimant self, long looks) implements Stake {}

  /** Has won: for ever, until the next pair. */
  record Won(Claimant self) implements Stake {}

  /**
   * The other side, or another VM, has the disk: for ever.
   *
   * @param why one line for people
   */
  record Lost(Claimant self, String why) implements Stake {}

  /** Has given up its part. */
  record Left() implements Stake {}

  /** The same when the unit has been told anew that this side has not won. */
  default Stake looked() {
    return switch (this) {
      case Open open -> new Open(open.self(), open.looks() + 1);
      case Outside _, Won _, Lost _, Left _ -> this;
    };
  }
}
