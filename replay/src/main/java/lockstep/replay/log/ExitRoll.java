package lockstep.replay.log;

import lockstep.monitor.input.InputSource.GuestExit;

/**
 * The rolling digest over guest exits: kind, size, address and written data of each, in order. Not
 * for security: it finds accidents. docs/log-format.md has the formula.
 */
public final class ExitRoll {
  /** A digest entry is logged after every exit whose number is a multiple of this. */
  public static final long EXITS_PER_DIGEST = 64;

  /** The golden ratio times 2^64: odd, with its bits well spread. */
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  private long state;

  /** Takes in one exit; see {@code InputSource.guestExit}. */
  public void add(GuestExit exit, long address, int sizeBytes, long data) {
    mix(exit.wire() | (long) sizeBytes << 8);
    mix(address);
    mix(data);
  }

  private void mix(long word) {
    long mixed = (state ^ word) * MULTIPLIER;
    state = mixed ^ mixed >>> 32;
  }

  /** The digest of all exits so far. */
  public int digest() {
    return (int) state;
  }
}
