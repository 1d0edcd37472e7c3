package lockstep.replay.ft;

import lockstep.monitor.block.BlockDevice;
import lockstep.replay.ft.disk.Arbiter;

/**
 * The shared storage of a world: what settles who goes on, and the disk. Whoever implements it
 * tells {@link SimOutside} of each write that lands and of each side that wins.
 */
interface SimStorage {
  /** The arbiter as one process sees it; asked once, first. */
  Arbiter arbiter(SimSide side);

  /** The disk as one process sees it; asked once. */
  BlockDevice device(SimSide side);

  /** Whether this side could flush its disk now. */
  boolean answers(SimSide side);

  /** It is slow until then. */
  void slow(long untilNanos);

  /** It restarts, and answers nobody until then. */
  void restart(long untilNanos);

  /** It is well again. */
  void heal();

  /**
   * Whether nobody can know who has won, so that a side that claims waits for a person, as is
   * documented of this storage.
   */
  boolean isUndecidable(SimSide side);
}
