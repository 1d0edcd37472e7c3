package lockstep.monitor.block;

import lockstep.monitor.state.Bytes;

/**
 * One request to a disk. Offsets and lengths are bytes, multiples of the disk's block. Numbers in
 * use at the same time differ.
 */
public sealed interface BlockRequest {
  /** What one read or write carries at most, bytes. */
  int MAX_TRANSFER_BYTES = 1 << 20;

  /** How many requests of one guest may be unanswered at the same time, on one disk. */
  int MAX_UNANSWERED = 256;

  /** The number by which the result is known. */
  long id();

  /** Whether it may change the disk's content, or brings what was changed onto the medium. */
  default boolean changes() {
    return !(this instanceof Read);
  }

  /**
   * Read.
   *
   * @param offsetBytes from the start of the disk
   * @param lengthBytes 1 to {@link #MAX_TRANSFER_BYTES}
   */
  record Read(long id, long offsetBytes, int lengthBytes) implements BlockRequest {
    /** Checks the range. */
    public Read {
      check(offsetBytes, lengthBytes, MAX_TRANSFER_BYTES);
    }
  }

  /**
   * Write.
   *
   * @param offsetBytes from the start of the disk
   * @param data 1 to {@link #MAX_TRANSFER_BYTES}
   * @param fua the data is on the medium before the request is done
   */
  record Write(long id, long offsetBytes, Bytes data, boolean fua) implements BlockRequest {
    /** Checks the range. */
    public Write {
      check(offsetBytes, data.size(), MAX_TRANSFER_BYTES);
    }
  }

  /** Brings every write that was done before onto the medium. */
  record Flush(long id) implements BlockRequest {}

  /**
   * Tells that the content of some blocks is not needed any more; what they read as afterwards is
   * the medium's choice.
   *
   * @param offsetBytes from the start of the disk
   * @param lengthBytes 1 or more
   */
  record Discard(long id, long offsetBytes, long lengthBytes) implements BlockRequest {
    /** Checks the range. */
    public Discard {
      check(offsetBytes, lengthBytes, Long.MAX_VALUE);
    }
  }

  private static void check(long offsetBytes, long lengthBytes, long maxBytes) {
    if (offsetBytes < 0
        || lengthBytes < 1
        || lengthBytes > maxBytes
        || offsetBytes > Long.MAX_VALUE - lengthBytes) {
      throw new IllegalArgumentException(
          "a disk request of %d bytes at %d".formatted(lengthBytes, offsetBytes));
    }
  }
}
