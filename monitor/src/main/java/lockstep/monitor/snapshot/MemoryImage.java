package lockstep.monitor.snapshot;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.GuestMemory.Region;

/**
 * Guest memory as sections: one for each chunk of 1 MiB that has a page which is not zero. A chunk
 * names its pages in a bitmap, holds only those that are not zero, and is compressed by itself, so
 * that damage stays local and chunks can be handled in any order by a later sender.
 */
public final class MemoryImage {
  /** Large enough to compress well, small enough to hold in a buffer. */
  static final int CHUNK_BYTES = 1 << 20;

  private static final int PAGE_BYTES = (int) GuestMemory.PAGE_BYTES;
  private static final int PAGES = CHUNK_BYTES / PAGE_BYTES;
  private static final int BITMAP_WORDS = PAGES / Long.SIZE;

  /** Address, pages, packing, checksum, reserved, bitmap. */
  static final int CHUNK_HEADER_BYTES = 24 + BITMAP_WORDS * Long.BYTES;

  /** What is not worth packing is stored as it is, so a chunk never grows. */
  static final int MAX_SECTION_BYTES = CHUNK_HEADER_BYTES + CHUNK_BYTES;

  private static final int STORED = 0;
  private static final int ZSTD = 1;

  /** The fastest level that is not a special one; higher ones gain little on memory. */
  private static final int LEVEL = 1;

  private final GuestMemory memory;
  private final Progress progress;
  private final byte[] raw = new byte[CHUNK_BYTES];
  private final CRC32C crc = new CRC32C();
  private final long[] bitmap = new long[BITMAP_WORDS];
  private long doneBytes;

  private MemoryImage(GuestMemory memory, Progress progress) {
    this.memory = memory;
    this.progress = progress;
  }

  /** Writes all of memory. The vCPU must stand still. */
  public static void write(GuestMemory memory, SectionWriter to, Progress progress)
      throws IOException {
    new MemoryImage(memory, progress).write(to);
  }

  private void write(SectionWriter to) throws IOException {
    byte[] section = new byte[MAX_SECTION_BYTES];
    ByteBuffer header = ByteBuffer.wrap(section).order(ByteOrder.LITTLE_ENDIAN);
    try (ZstdCompressCtx zstd = new ZstdCompressCtx().setLevel(LEVEL)) {
      for (Region region : memory.regions()) {
        for (long at = region.start(); at < region.end(); at += CHUNK_BYTES) {
          int pages = pagesAt(region, at);
          int length = gather(at, pages);
          if (length > 0) {
            int packed = pack(zstd, length, section);
            header.clear().putLong(at).putShort((short) pages);
            header.putShort((short) (packed < length ? ZSTD : STORED));
            header.putInt(checksum(length)).putLong(0);
            for (long word : bitmap) {
              header.putLong(word);
            }
            to.section(SectionKind.MEMORY, section, CHUNK_HEADER_BYTES + packed);
          }
          advance(pages);
        }
      }
    }
  }

  /** Copies the pages that are not zero to the front of {@code raw}; returns how many bytes. */
  private int gather(long at, int pages) {
    int length = 0;
    for (int word = 0; word < BITMAP_WORDS; word++) {
      bitmap[word] = 0;
    }
    for (int page = 0; page < pages; page++) {
      long address = at + (long) page * PAGE_BYTES;
      if (!memory.isZero(address, PAGE_BYTES)) {
        memory.read(address, raw, length, PAGE_BYTES);
        bitmap[page / Long.SIZE] |= 1L << page;
        length += PAGE_BYTES;
      }
    }
    return length;
  }

  private int pack(ZstdCompressCtx zstd, int length, byte[] section) {
    try {
      // One byte less than the raw pages: what does not fit is not worth unpacking later.
      return zstd.compressByteArray(section, CHUNK_HEADER_BYTES, length - 1, raw, 0, length);
    } catch (ZstdException e) {
      System.arraycopy(raw, 0, section, CHUNK_HEADER_BYTES, length);
      return length;
    }
  }

  /**
   * Reads up to the end section into memory that is all zero.
   *
   * @throws SnapshotException when this is not an image of such a memory; some of it may be written
   */
  public static void read(SectionReader from, GuestMemory memory, Progress progress)
      throws IOException, SnapshotException {
    new MemoryImage(memory, progress).read(from);
  }

  private void read(SectionReader from) throws IOException, SnapshotException {
    long next = 0;
    try (ZstdDecompressCtx zstd = new ZstdDecompressCtx()) {
      while (true) {
        SectionKind kind = from.next();
        if (kind == SectionKind.END) {
          progress.at(memory.sizeBytes(), memory.sizeBytes());
          return;
        }
        if (kind != SectionKind.MEMORY) {
          throw new SnapshotException("has a section " + kind + " among its memory");
        }
        next = chunk(zstd, from.content(), from.length(), next);
      }
    }
  }

  /** Takes one chunk; returns the address behind it. */
  private long chunk(ZstdDecompressCtx zstd, byte[] section, int sectionBytes, long lowest)
      throws SnapshotException {
    if (sectionBytes <= CHUNK_HEADER_BYTES) {
      throw new SnapshotException("has a memory chunk of " + sectionBytes + " bytes");
    }
    ByteBuffer header = ByteBuffer.wrap(section).order(ByteOrder.LITTLE_ENDIAN);
    long address = header.getLong();
    int pages = Short.toUnsignedInt(header.getShort());
    int packing = Short.toUnsignedInt(header.getShort());
    int expected = header.getInt();
    long reserved = header.getLong();
    if (address < lowest || reserved != 0 || pages != pagesAt(address)) {
      throw new SnapshotException(
          "has a memory chunk of %d pages at 0x%x, where none can be".formatted(pages, address));
    }
    int count = 0;
    for (int word = 0; word < BITMAP_WORDS; word++) {
      bitmap[word] = header.getLong();
      count += Long.bitCount(bitmap[word]);
    }
    int length = count * PAGE_BYTES;
    if (count == 0 || beyond(pages)) {
      throw new SnapshotException(
          "has a memory chunk with %d pages in its bitmap at 0x%x".formatted(count, address));
    }
    unpack(zstd, packing, section, sectionBytes - CHUNK_HEADER_BYTES, length, address);
    if (checksum(length) != expected) {
      throw new SnapshotException(
          "is damaged: the memory at 0x%x has not the checksum it had".formatted(address));
    }
    scatter(address, pages);
    advance(pages);
    return address + (long) pages * PAGE_BYTES;
  }

  private void unpack(
      ZstdDecompressCtx zstd, int packing, byte[] section, int packed, int length, long address)
      throws SnapshotException {
    switch (packing) {
      case STORED -> {
        if (packed != length) {
          throw new SnapshotException(
              "has %d bytes for %d at 0x%x".formatted(packed, length, address));
        }
        System.arraycopy(section, CHUNK_HEADER_BYTES, raw, 0, length);
      }
      case ZSTD -> {
        try {
          int unpacked =
              zstd.decompressByteArray(raw, 0, length, section, CHUNK_HEADER_BYTES, packed);
          if (unpacked != length) {
            throw new SnapshotException(
                "has memory at 0x%x that unpacks to %d bytes instead of %d"
                    .formatted(address, unpacked, length));
          }
        } catch (ZstdException e) {
          throw new SnapshotException(
              "has memory at 0x%x that does not unpack: %s".formatted(address, e.getMessage()), e);
        }
      }
      default ->
          throw new SnapshotException(
              "has memory at 0x%x with packing %d".formatted(address, packing));
    }
  }

  private void scatter(long address, int pages) {
    int from = 0;
    for (int page = 0; page < pages; page++) {
      if ((bitmap[page / Long.SIZE] & 1L << page) != 0) {
        memory.write(address + (long) page * PAGE_BYTES, raw, from, PAGE_BYTES);
        from += PAGE_BYTES;
      }
    }
  }

  /** Whether the bitmap has a page behind the chunk's last one. */
  private boolean beyond(int pages) {
    for (int page = pages; page < PAGES; page++) {
      if ((bitmap[page / Long.SIZE] & 1L << page) != 0) {
        return true;
      }
    }
    return false;
  }

  private void advance(int pages) {
    doneBytes += (long) pages * PAGE_BYTES;
    progress.at(doneBytes, memory.sizeBytes());
  }

  private static int pagesAt(Region region, long at) {
    return (int) (Math.min(CHUNK_BYTES, region.end() - at) / PAGE_BYTES);
  }

  /** How many pages the chunk at an address has; 0 where no chunk begins. */
  private int pagesAt(long address) {
    for (Region region : memory.regions()) {
      if (address >= region.start()
          && address < region.end()
          && (address - region.start()) % CHUNK_BYTES == 0) {
        return pagesAt(region, address);
      }
    }
    return 0;
  }

  private int checksum(int length) {
    crc.reset();
    crc.update(raw, 0, length);
    return (int) crc.getValue();
  }
}
