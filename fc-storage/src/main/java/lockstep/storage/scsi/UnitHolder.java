package lockstep.storage.scsi;

import java.util.Optional;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.PersistentReserve.Reservation;

/** Who holds the reservation of a unit, as one side of a pair sees it. */
enum UnitHolder {
  /** There is no reservation. */
  NONE,
  /** An earlier pair of the same VM: a leftover, and as good as none. */
  EARLIER_PAIR,
  /** The primary of this pair, undecided. */
  OPEN,
  /** This side, which claims, or has won. */
  SELF,
  /** The other side, which claims: it may win, or the unit forgets it before it has. */
  PEER_CLAIMS,
  /** The other side, which has won. */
  PEER_WON,
  /** A later pair of the same VM, which only the winner of this one can have begun. */
  LATER_PAIR,
  /** Another VM, or other software. */
  OTHER;

  static UnitHolder of(Optional<Reservation> now, Claimant self) {
    if (now.isEmpty()) {
      return NONE;
    }
    Optional<ScsiKey> read = ScsiKey.read(now.get().key());
    ScsiKey open = ScsiKey.of(self, ScsiKey.Mark.PRIMARY);
    if (read.isEmpty() || read.get().vm() != open.vm()) {
      return OTHER;
    }
    if (read.get().epoch() != open.epoch()) {
      return read.get().epoch() < open.epoch() ? EARLIER_PAIR : LATER_PAIR;
    }
    boolean primary = self.side() == Claimant.Side.PRIMARY;
    return switch (read.get().mark()) {
      case PRIMARY -> OPEN;
      case PRIMARY_CLAIMS -> primary ? SELF : PEER_CLAIMS;
      case PRIMARY_WON -> primary ? SELF : PEER_WON;
      // An undecided backup holds it for a moment at most, when it has just given up a claim.
      case BACKUP, BACKUP_CLAIMS -> primary ? PEER_CLAIMS : SELF;
      case BACKUP_WON -> primary ? PEER_WON : SELF;
    };
  }
}
