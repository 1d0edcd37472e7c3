package lockstep.storage.scsi;

import lockstep.monitor.state.Bytes;

/**
 * What a unit answered (SAM-5, 5.3).
 *
 * @param status the status byte
 * @param sense what was wrong; {@link Sense#NONE} unless the status is {@link #CHECK_CONDITION}
 * @param data what came in, as much as came
 */
public record ScsiReply(int status, Sense sense, Bytes data) {
  /** Carried out. */
  public static final int GOOD = 0x00;

  /** Not carried out, or not all of it: the sense data says why. */
  public static final int CHECK_CONDITION = 0x02;

  /** Try again later. */
  public static final int BUSY = 0x08;

  /** A reservation of another nexus forbids it, or a key was not the expected one. */
  public static final int RESERVATION_CONFLICT = 0x18;

  /** The unit's queue is full: try again when something has ended. */
  public static final int TASK_SET_FULL = 0x28;

  /** Another nexus, or a reset, ended it. */
  public static final int TASK_ABORTED = 0x40;

  /** Whether it was carried out. */
  public boolean good() {
    return status == GOOD;
  }

  /** Whether a reservation forbade it. */
  public boolean conflict() {
    return status == RESERVATION_CONFLICT;
  }

  /**
   * Whether the unit only wanted to say that something had changed; the command was not carried out
   * and may be sent again (SPC-4, 5.15).
   */
  public boolean attention() {
    return status == CHECK_CONDITION && sense.key() == Sense.UNIT_ATTENTION;
  }

  /** Whether the same command may succeed later, and has not been carried out now. */
  public boolean temporary() {
    return attention()
        || status == BUSY
        || status == TASK_SET_FULL
        || status == TASK_ABORTED
        || (status == CHECK_CONDITION
            && (sense.key() == Sense.ABORTED_COMMAND || sense.becomingReady()));
  }

  /** One phrase for people. */
  public String text() {
    return switch (status) {
      case GOOD -> "good";
      case CHECK_CONDITION -> sense.text();
      case BUSY -> "busy";
      case RESERVATION_CONFLICT -> "reservation conflict";
      case TASK_SET_FULL -> "its queue is full";
      case TASK_ABORTED -> "aborted by another host or a reset";
      default -> "SCSI status 0x%02x".formatted(status);
    };
  }
}
