package lockstep.replay.ft;

import java.util.Random;

/**
 * The numbers of {@link Random}, for one thread: without its atomic variable they come several
 * times as fast, and a world needs tens of thousands.
 */
final class SimRandom extends Random {
  private static final long serialVersionUID = 1;
  private static final long MULTIPLIER = 0x5DEECE66DL;
  private static final long ADDEND = 0xB;
  private static final long MASK = (1L << 48) - 1;

  // Set by the constructor of Random, through setSeed.
  private long state;

  SimRandom(long seed) {
    super(seed);
  }

  @Override
  public synchronized void setSeed(long seed) {
    super.setSeed(seed);
    state = (seed ^ MULTIPLIER) & MASK;
  }

  @Override
  protected int next(int bits) {
    state = (state * MULTIPLIER + ADDEND) & MASK;
    return (int) (state >>> (48 - bits));
  }
}
