package lockstep.replay.ft.disk;

import java.util.regex.Pattern;

/**
 * One side of a protected pair, as the shared disk knows it. A pair's two sides differ in nothing
 * but {@code side}, and a later pair of the same VM has another epoch.
 *
 * @param vm 32 hexadecimal digits drawn at random when the VM was first started; equal on both
 *     sides and for the VM's whole life
 * @param epoch 1 for the VM's first pair, one more for each later one; at most {@link #MAX_EPOCH}
 * @param side which of the two
 */
public record Claimant(String vm, long epoch, Side side) {
  /** So that an epoch fits a reservation key beside the VM's identity. */
  public static final long MAX_EPOCH = (1L << 24) - 1;

  private static final Pattern VM = Pattern.compile("[0-9a-f]{32}");

  /** Checks the form. */
  public Claimant {
    if (!VM.matcher(vm).matches()) {
      throw new IllegalArgumentException("a VM identity of 32 hexadecimal digits, not: " + vm);
    }
    if (epoch < 1 || epoch > MAX_EPOCH) {
      throw new IllegalArgumentException("epoch " + epoch + ": 1 to " + MAX_EPOCH);
    }
  }

  /** Which of the two that a pair is made of. */
  public enum Side {
    /** The one that talks to the world when the pair is formed. */
    PRIMARY,
    /** The one that replays. */
    BACKUP;

    /** The other one. */
    public Side other() {
      return this == PRIMARY ? BACKUP : PRIMARY;
    }
  }

  /** The other side of the same pair. */
  public Claimant peer() {
    return new Claimant(vm, epoch, side.other());
  }
}
