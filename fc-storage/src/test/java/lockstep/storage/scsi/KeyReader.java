package lockstep.storage.scsi;

import java.util.Optional;
import lockstep.replay.ft.disk.Claimant;

/** What a reservation key says, for tests elsewhere. */
public final class KeyReader {
  private KeyReader() {}

  /** A pair as a key of it names it. */
  public record Pair(long epoch, boolean open, Optional<Claimant.Side> winner) {
    /** Whether the next claim of either side is won or lost. */
    public boolean isDecidable() {
      return open || winner.isPresent();
    }
  }

  /** Reads a key; empty when it is none of ours, or there is none. */
  public static Optional<Pair> read(long key) {
    return ScsiKey.read(key).map(one -> new Pair(one.epoch(), isOpen(one), winner(one)));
  }

  private static boolean isOpen(ScsiKey key) {
    return key.mark() == ScsiKey.Mark.PRIMARY;
  }

  private static Optional<Claimant.Side> winner(ScsiKey key) {
    return switch (key.mark()) {
      case PRIMARY_WON -> Optional.of(Claimant.Side.PRIMARY);
      case BACKUP_WON -> Optional.of(Claimant.Side.BACKUP);
      case PRIMARY, BACKUP, PRIMARY_CLAIMS, BACKUP_CLAIMS -> Optional.empty();
    };
  }
}
