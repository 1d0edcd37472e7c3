package lockstep.replay.ft;

import lockstep.monitor.block.BlockRequest;

/** Something that a guest did and the world can see. */
public sealed interface Output {
  /**
   * A byte on its console.
   *
   * @param value 0..255
   */
  record Console(int value) implements Output {}

  /** A request that may change its disk. */
  record Disk(BlockRequest request) implements Output {}
}
