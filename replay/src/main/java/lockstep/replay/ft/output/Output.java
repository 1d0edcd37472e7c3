package lockstep.replay.ft.output;

import lockstep.monitor.block.BlockRequest;

/** Something that a guest did and the world can see. */
public sealed interface Output {
  /**
   * What outputs leave one after the other; those of different kinds do not wait for each other.
   */
  enum Kind {
    /** Bytes on the console. */
    CONSOLE,
    /** Requests to the disk. */
    DISK
  }

  /** Its kind. */
  Kind kind();

  /**
   * A byte on its console.
   *
   * @param value 0..255
   */
  record Console(int value) implements Output {
    @Override
    public Kind kind() {
      return Kind.CONSOLE;
    }
  }

  /**
   * A request that may change a disk.
   *
   * @param disk which of the machine's, from 0
   */
  record Disk(int disk, BlockRequest request) implements Output {
    @Override
    public Kind kind() {
      return Kind.DISK;
    }
  }
}
