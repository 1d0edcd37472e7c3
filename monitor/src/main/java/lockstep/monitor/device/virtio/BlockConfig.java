package lockstep.monitor.device.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import lockstep.monitor.block.Geometry;

/** What a disk says about itself: features and configuration (VIRTIO 1.2, 5.2.3 and 5.2.4). */
final class BlockConfig {
  /** VIRTIO_BLK_F_SIZE_MAX: the longest segment is bounded. */
  static final long FEATURE_SIZE_MAX = 1 << 1;

  /** VIRTIO_BLK_F_SEG_MAX: the number of segments is bounded. */
  static final long FEATURE_SEG_MAX = 1 << 2;

  /** VIRTIO_BLK_F_RO: writes fail. */
  static final long FEATURE_READ_ONLY = 1 << 5;

  /** VIRTIO_BLK_F_BLK_SIZE: the block is told. */
  static final long FEATURE_BLOCK_SIZE = 1 << 6;

  /** VIRTIO_BLK_F_FLUSH: writes are done before they are on the medium, a flush brings them. */
  static final long FEATURE_FLUSH = 1 << 9;

  /** VIRTIO_BLK_F_DISCARD: blocks may be given back. */
  static final long FEATURE_DISCARD = 1 << 13;

  /** The unit in which a driver counts, whatever the disk's block. Bytes. */
  static final int SECTOR_BYTES = 512;

  /** Up to the end of the discard fields, with those of write zeroes. */
  static final int SIZE_BYTES = 60;

  /** With header and status a chain of 128, half a queue. */
  static final int SEGMENTS = 126;

  /** Two pages; 126 of them stay below what one request of the port may carry. */
  static final int SEGMENT_BYTES = 8192;

  /** 1 GiB in sectors: a number that drivers need not split at 32 bits. */
  static final int MAX_DISCARD_SECTORS = 1 << 21;

  private BlockConfig() {}

  static long features(Geometry geometry) {
    long features = FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_BLOCK_SIZE | FEATURE_FLUSH;
    if (geometry.readOnly()) {
      features |= FEATURE_READ_ONLY;
    } else if (geometry.canDiscard()) {
      features |= FEATURE_DISCARD;
    }
    return features;
  }

  static byte[] bytes(Geometry geometry) {
    ByteBuffer config = ByteBuffer.allocate(SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    config.putLong(0, geometry.capacityBytes() / SECTOR_BYTES);
    config.putInt(8, SEGMENT_BYTES);
    config.putInt(12, SEGMENTS);
    config.putInt(20, geometry.blockBytes());
    // Writes are cached where the driver can flush, and not where it cannot.
    config.put(32, (byte) 1);
    config.putShort(34, (short) 1);
    config.putInt(36, MAX_DISCARD_SECTORS);
    config.putInt(40, 1);
    config.putInt(44, geometry.blockBytes() / SECTOR_BYTES);
    return config.array();
  }
}
