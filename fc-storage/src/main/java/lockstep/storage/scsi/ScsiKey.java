package lockstep.storage.scsi;

import java.util.Optional;
import lockstep.replay.ft.Claimant;

/**
 * A reservation key that says whose it is. From the top: 8 bits of magic, the first 24 bits of the
 * VM's identity, 24 bits of epoch, 8 bits of mark. So every pair has keys that were never used
 * before, and who reads them knows how its arbitration stands.
 *
 * @param vm the first 24 bits of the VM's identity
 * @param epoch as {@link Claimant#epoch}
 * @param mark which side, and whether it has won
 */
record ScsiKey(int vm, long epoch, Mark mark) {
  /** What holding the reservation with this key means. */
  enum Mark {
    /** The primary of a pair whose arbitration is open. */
    PRIMARY(1),
    /** The primary has won. */
    PRIMARY_WON(2),
    /** The backup; it holds the reservation only if it has won. */
    BACKUP(3);

    private final int code;

    Mark(int code) {
      this.code = code;
    }
  }

  private static final int MAGIC = 0x4c;
  private static final int VM_BITS = 24;
  private static final int EPOCH_BITS = 24;
  private static final int MARK_BITS = 8;
  private static final int VM_DIGITS = VM_BITS / 4;

  static ScsiKey of(Claimant self, Mark mark) {
    return new ScsiKey(Integer.parseInt(self.vm().substring(0, VM_DIGITS), 16), self.epoch(), mark);
  }

  /** Reads a key; empty when it is not one of ours. */
  static Optional<ScsiKey> read(long key) {
    if (key >>> (VM_BITS + EPOCH_BITS + MARK_BITS) != MAGIC) {
      return Optional.empty();
    }
    for (Mark mark : Mark.values()) {
      if (mark.code == (key & 0xff)) {
        return Optional.of(
            new ScsiKey(
                (int) (key >>> (EPOCH_BITS + MARK_BITS) & 0xffffff),
                key >>> MARK_BITS & 0xffffff,
                mark));
      }
    }
    return Optional.empty();
  }

  long number() {
    return (long) MAGIC << (VM_BITS + EPOCH_BITS + MARK_BITS)
        | (long) vm << (EPOCH_BITS + MARK_BITS)
        | epoch << MARK_BITS
        | mark.code;
  }

  /** Of one that is registered, for people. */
  String registrant() {
    return "VM %06x..., epoch %d, %s"
        .formatted(vm, epoch, mark == Mark.BACKUP ? "backup" : "primary");
  }

  /** Of one that holds the reservation, for people. */
  String text() {
    return "VM %06x..., epoch %d, %s"
        .formatted(
            vm,
            epoch,
            switch (mark) {
              case PRIMARY -> "primary of an undecided pair";
              case PRIMARY_WON -> "primary that won";
              case BACKUP -> "backup that won";
            });
  }
}
