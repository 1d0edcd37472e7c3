package lockstep.monitor.snapshot;

import java.util.zip.CRC32C;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.GuestMemory.Region;

/**
 * What writers and readers of guest memory share: a section for a chunk of 1 MiB that has anything
 * to say. A chunk names its pages in a bitmap, holds only those, and is packed by itself, so that
 * damage stays local.
 */
final class MemoryChunk {
  /** Large enough to pack well, small enough to hold in a buffer. */
  static final int BYTES = 1 << 20;

  static final int PAGE_BYTES = (int) GuestMemory.PAGE_BYTES;
  static final int PAGES = BYTES / PAGE_BYTES;
  static final int BITMAP_WORDS = PAGES / Long.SIZE;

  /** Address, pages, packing, checksum, reserved, bitmap. */
  static final int HEADER_BYTES = 24 + BITMAP_WORDS * Long.BYTES;

  /** What is not worth packing is stored as it is, so a chunk never grows. */
  static final int MAX_SECTION_BYTES = HEADER_BYTES + BYTES;

  static final int STORED = 0;
  static final int ZSTD = 1;

  private MemoryChunk() {}

  /** How many pages the chunk at an address of a block has. */
  static int pagesAt(Region region, long at) {
    return (int) (Math.min(BYTES, region.end() - at) / PAGE_BYTES);
  }

  /** How many pages the chunk at an address has; 0 where no chunk begins. */
  static int pagesAt(GuestMemory memory, long address) {
    for (Region region : memory.regions()) {
      if (address >= region.start()
          && address < region.end()
          && (address - region.start()) % BYTES == 0) {
        return pagesAt(region, address);
      }
    }
    return 0;
  }

  /** How many pages from this one on, and before the end, are in the bitmap without a gap. */
  static int run(long[] bitmap, int page, int end) {
    int at = page;
    while (at < end && (bitmap[at / Long.SIZE] & 1L << at) != 0) {
      at++;
    }
    return at - page;
  }

  static int checksum(CRC32C crc, byte[] raw, int offset, int length) {
    crc.reset();
    crc.update(raw, offset, length);
    return (int) crc.getValue();
  }
}
