package lockstep.storage.scsi;

import java.util.Optional;
import lockstep.replay.ft.disk.Claimant;

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
  /** What a key says of the side that is registered with it. */
  enum Mark {
    /** A primary whose arbitration is open, or that is in no pair. */
    PRIMARY(1, "primary, undecided", "primary of an undecided pair"),
    /** A primary that has won, and remembers it. It holds the reservation. */
    PRIMARY_WON(2, "primary that won", "primary that won"),
    /** A backup that has not won so far. It never holds the reservation. */
    BACKUP(3, "backup, undecided", "backup, undecided"),
    /** A backup that has won, and remembers it. It holds the reservation. */
    BACKUP_WON(4, "backup that won", "backup that won"),
    /** A primary that claims: with the reservation it is about to win. */
    PRIMARY_CLAIMS(5, "primary that claims", "primary that claims"),
    /** A backup that claims: with the reservation it is about to win. */
    BACKUP_CLAIMS(6, "backup that claims", "backup that claims");

    private final int code;
    private final String registrant;
    private final String holder;

    Mark(int code, String registrant, String holder) {
      this.code = code;
      this.registrant = registrant;
      this.holder = holder;
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

  /** The key of a side that has not won. */
  static long undecided(Claimant self) {
    return of(
            self,
            switch (self.side()) {
              case PRIMARY -> Mark.PRIMARY;
              case BACKUP -> Mark.BACKUP;
            })
        .number();
  }

  /** The key of a side that claims; it does not know yet whether it has won. */
  static long claiming(Claimant self) {
    return of(
            self,
            switch (self.side()) {
              case PRIMARY -> Mark.PRIMARY_CLAIMS;
              case BACKUP -> Mark.BACKUP_CLAIMS;
            })
        .number();
  }

  /** The key with which a side holds the reservation once it has won. */
  static long winning(Claimant self) {
    return of(
            self,
            switch (self.side()) {
              case PRIMARY -> Mark.PRIMARY_WON;
              case BACKUP -> Mark.BACKUP_WON;
            })
        .number();
  }

  /** The key that holds the reservation while the pair of this side is undecided. */
  static long open(Claimant self) {
    return of(self, Mark.PRIMARY).number();
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

  /** Whether it is a key of either side of this pair. */
  static boolean isOfPair(long key, Claimant one) {
    ScsiKey pair = of(one, Mark.PRIMARY);
    return read(key).map(it -> it.vm == pair.vm && it.epoch == pair.epoch).orElse(false);
  }

  /** Whether it is the key of a side that neither claims nor has won. */
  static boolean isUndecided(long key) {
    return read(key).map(it -> it.mark == Mark.PRIMARY || it.mark == Mark.BACKUP).orElse(false);
  }

  /** Whether it is a key of this VM. */
  static boolean isOfVm(long key, Claimant one) {
    return read(key).map(it -> it.vm == of(one, Mark.PRIMARY).vm).orElse(false);
  }

  long number() {
    return (long) MAGIC << (VM_BITS + EPOCH_BITS + MARK_BITS)
        | (long) vm << (EPOCH_BITS + MARK_BITS)
        | epoch << MARK_BITS
        | mark.code;
  }

  /** Of one that is registered, for people. */
  static String registrant(long key) {
    return read(key).map(one -> one.whose() + one.mark.registrant).orElseGet(() -> foreign(key));
  }

  /** Of one that holds the reservation, for people. */
  static String holder(long key) {
    return read(key).map(one -> one.whose() + one.mark.holder).orElseGet(() -> foreign(key));
  }

  private String whose() {
    return "VM %06x..., epoch %d, ".formatted(vm, epoch);
  }

  private static String foreign(long key) {
    return "other software, key 0x%016x".formatted(key);
  }
}
