package lockstep.monitor.snapshot;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import lockstep.kvm.GuestMemory;

/**
 * Reads guest memory from sections into memory that is all zero: the rounds that were written while
 * the machine ran, if there are any, and what came with its state. One thread.
 */
public final class MemoryReader {
  /** More of them do not make a transfer shorter; no writer has so many. */
  private static final int MAX_ROUNDS = 64;

  private final GuestMemory memory;
  private final Progress progress;
  private final byte[] raw = new byte[MemoryChunk.BYTES];
  private final CRC32C crc = new CRC32C();
  private final long[] bitmap = new long[MemoryChunk.BITMAP_WORDS];
  private long doneBytes;

  /** A reader into one machine's memory. */
  public MemoryReader(GuestMemory memory, Progress progress) {
    this.memory = memory;
    this.progress = progress;
  }

  /**
   * Reads up to the end section.
   *
   * @throws SnapshotException when this is not an image of such a memory; some of it may be written
   */
  public void read(SectionReader from) throws IOException, SnapshotException {
    SectionKind after = chunks(from, from.next(), 1);
    if (after != SectionKind.END) {
      throw new SnapshotException("has a section " + after + " among its memory");
    }
    progress.at(memory.sizeBytes(), memory.sizeBytes());
  }

  /**
   * Reads the rounds of a machine that ran, from the section that {@code from} is at.
   *
   * @return the section behind them, which {@code from} is at now
   */
  public SectionKind readRounds(SectionReader from) throws IOException, SnapshotException {
    return chunks(from, SectionKind.MEMORY, MAX_ROUNDS);
  }

  private SectionKind chunks(SectionReader from, SectionKind first, int maxRounds)
      throws IOException, SnapshotException {
    long next = 0;
    int rounds = 1;
    SectionKind kind = first;
    try (ZstdDecompressCtx zstd = new ZstdDecompressCtx()) {
      while (kind == SectionKind.MEMORY) {
        if (rounds < maxRounds && addressIn(from) < next) {
          rounds++;
          next = 0;
        }
        next = chunk(zstd, from.content(), from.length(), next);
        kind = from.next();
      }
    }
    return kind;
  }

  /** Where the present section's chunk says that it belongs. */
  private static long addressIn(SectionReader from) {
    return from.length() < Long.BYTES
        ? Long.MAX_VALUE
        : ByteBuffer.wrap(from.content()).order(ByteOrder.LITTLE_ENDIAN).getLong();
  }

  /** Takes one chunk; returns the address behind it. */
  private long chunk(ZstdDecompressCtx zstd, byte[] section, int sectionBytes, long lowest)
      throws SnapshotException {
    if (sectionBytes <= MemoryChunk.HEADER_BYTES) {
      throw new SnapshotException("has a memory chunk of " + sectionBytes + " bytes");
    }
    ByteBuffer header = ByteBuffer.wrap(section).order(ByteOrder.LITTLE_ENDIAN);
    long address = header.getLong();
    int pages = Short.toUnsignedInt(header.getShort());
    int packing = Short.toUnsignedInt(header.getShort());
    int expected = header.getInt();
    long reserved = header.getLong();
    if (address < lowest || reserved != 0 || pages != MemoryChunk.pagesAt(memory, address)) {
      throw new SnapshotException(
          "has a memory chunk of %d pages at 0x%x, where none can be".formatted(pages, address));
    }
    int count = 0;
    for (int word = 0; word < MemoryChunk.BITMAP_WORDS; word++) {
      bitmap[word] = header.getLong();
      count += Long.bitCount(bitmap[word]);
    }
    int length = count * MemoryChunk.PAGE_BYTES;
    if (count == 0 || beyond(pages)) {
      throw new SnapshotException(
          "has a memory chunk with %d pages in its bitmap at 0x%x".formatted(count, address));
    }
    unpack(zstd, packing, section, sectionBytes - MemoryChunk.HEADER_BYTES, length, address);
    boolean stored = packing == MemoryChunk.STORED;
    byte[] content = stored ? section : raw;
    int offset = stored ? MemoryChunk.HEADER_BYTES : 0;
    // Of stored pages the section's own checksum has told already.
    if (!stored && MemoryChunk.checksum(crc, content, offset, length) != expected) {
      throw new SnapshotException(
          "is damaged: the checksum of its memory at 0x%x is wrong".formatted(address));
    }
    scatter(address, pages, content, offset);
    advance(pages);
    return address + (long) pages * MemoryChunk.PAGE_BYTES;
  }

  /** Unpacks into {@code raw} what is packed. */
  private void unpack(
      ZstdDecompressCtx zstd, int packing, byte[] section, int packed, int length, long address)
      throws SnapshotException {
    switch (packing) {
      case MemoryChunk.STORED -> {
        if (packed != length) {
          throw new SnapshotException(
              "has %d bytes for %d at 0x%x".formatted(packed, length, address));
        }
        // Used where it is.
      }
      case MemoryChunk.ZSTD -> {
        try {
          int unpacked =
              zstd.decompressByteArray(raw, 0, length, section, MemoryChunk.HEADER_BYTES, packed);
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

  private void scatter(long address, int pages, byte[] content, int offset) {
    int from = offset;
    for (int page = 0; page < pages; ) {
      int run = MemoryChunk.run(bitmap, page, pages);
      if (run > 0) {
        int bytes = run * MemoryChunk.PAGE_BYTES;
        memory.write(address + (long) page * MemoryChunk.PAGE_BYTES, content, from, bytes);
        from += bytes;
      }
      page += run + 1;
    }
  }

  /** Whether the bitmap has a page behind the chunk's last one. */
  private boolean beyond(int pages) {
    for (int page = pages; page < MemoryChunk.PAGES; page++) {
      if ((bitmap[page / Long.SIZE] & 1L << page) != 0) {
        return true;
      }
    }
    return false;
  }

  private void advance(int pages) {
    doneBytes += (long) pages * MemoryChunk.PAGE_BYTES;
    // Rounds bring pages more than once.
    progress.at(Math.min(doneBytes, memory.sizeBytes()), memory.sizeBytes());
  }
}
