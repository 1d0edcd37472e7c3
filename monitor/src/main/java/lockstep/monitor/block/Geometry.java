package lockstep.monitor.block;

import lockstep.monitor.state.DeviceState;

/**
 * What a guest may know of a disk before its first request; it does not change while in use.
 *
 * @param capacityBytes the disk's size, a multiple of {@code blockBytes}
 * @param blockBytes the smallest unit of a transfer, a power of two from 512 to 65,536
 * @param readOnly writes and discards fail
 * @param canDiscard the medium can give back blocks
 */
public record Geometry(long capacityBytes, int blockBytes, boolean readOnly, boolean canDiscard)
    implements DeviceState {
  /** The smallest block: the unit that virtio counts a disk's size in. Bytes. */
  public static final int MIN_BLOCK_BYTES = 512;

  /** The largest block that guests are told of. Bytes. */
  public static final int MAX_BLOCK_BYTES = 1 << 16;

  /** Checks that such a disk can be. */
  public Geometry {
    if (blockBytes < MIN_BLOCK_BYTES
        || blockBytes > MAX_BLOCK_BYTES
        || Integer.bitCount(blockBytes) != 1) {
      throw new IllegalArgumentException(
          "a disk with blocks of %d bytes: 512 to 65536, a power of two".formatted(blockBytes));
    }
    if (capacityBytes < blockBytes || capacityBytes % blockBytes != 0) {
      throw new IllegalArgumentException(
          "a disk of %d bytes is not made of blocks of %d".formatted(capacityBytes, blockBytes));
    }
  }
}
