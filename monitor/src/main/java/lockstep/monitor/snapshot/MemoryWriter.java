package lockstep.monitor.snapshot;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.zip.CRC32C;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.GuestMemory.Region;

/**
 * Writes guest memory as sections: all of it but the zeros, or the pages that were written since.
 * The guest may run meanwhile if the pages it writes are written again later. One thread.
 */
public final class MemoryWriter implements AutoCloseable {
  /** The fastest level that is not a special one; higher ones gain little on memory. */
  private static final int LEVEL = 1;

  private final GuestMemory memory;
  private final SectionWriter to;
  private final Packing packing;
  private final ZstdCompressCtx zstd = new ZstdCompressCtx().setLevel(LEVEL);
  private final byte[] raw = new byte[MemoryChunk.BYTES];
  private final byte[] section = new byte[MemoryChunk.MAX_SECTION_BYTES];
  private final ByteBuffer header = ByteBuffer.wrap(section).order(ByteOrder.LITTLE_ENDIAN);
  private final CRC32C crc = new CRC32C();
  private final long[] bitmap = new long[MemoryChunk.BITMAP_WORDS];

  /**
   * A writer into a stream of sections.
   *
   * @param packing which chunks are worth compressing
   */
  public MemoryWriter(GuestMemory memory, SectionWriter to, Packing packing) {
    this.memory = memory;
    this.to = to;
    this.packing = packing;
  }

  /** Writes all pages that are not zero, for memory that is all zero. */
  public void writeAll(Progress progress) throws IOException {
    long doneBytes = 0;
    for (Region region : memory.regions()) {
      for (long at = region.start(); at < region.end(); at += MemoryChunk.BYTES) {
        int pages = MemoryChunk.pagesAt(region, at);
        // Most chunks are all zero, or have no page that is.
        if (!memory.isZero(at, (long) pages * MemoryChunk.PAGE_BYTES)) {
          for (int page = 0; page < pages; page++) {
            long address = at + (long) page * MemoryChunk.PAGE_BYTES;
            mark(page, !memory.isZero(address, MemoryChunk.PAGE_BYTES));
          }
          write(at, pages);
        }
        doneBytes += (long) pages * MemoryChunk.PAGE_BYTES;
        progress.at(doneBytes, memory.sizeBytes());
      }
    }
  }

  /**
   * Writes some pages, zero or not.
   *
   * @param dirty one bitmap for each block of memory: bit n % 64 of element n / 64 is page n
   */
  public void writePages(List<long[]> dirty) throws IOException {
    for (int i = 0; i < dirty.size(); i++) {
      Region region = memory.regions().get(i);
      long[] words = dirty.get(i);
      for (int word = 0; word < words.length; word += MemoryChunk.BITMAP_WORDS) {
        long at = region.start() + (long) word * Long.SIZE * MemoryChunk.PAGE_BYTES;
        for (int j = 0; j < MemoryChunk.BITMAP_WORDS; j++) {
          bitmap[j] = word + j < words.length ? words[word + j] : 0;
        }
        write(at, MemoryChunk.pagesAt(region, at));
      }
    }
  }

  private void mark(int page, boolean on) {
    long bit = 1L << page;
    long word = bitmap[page / Long.SIZE] & ~bit;
    bitmap[page / Long.SIZE] = on ? word | bit : word;
  }

  /** Writes the pages of a chunk that the bitmap names. */
  private void write(long at, int pages) throws IOException {
    for (int page = pages; page < MemoryChunk.PAGES; page++) {
      mark(page, false);
    }
    int length = 0;
    for (long word : bitmap) {
      length += Long.bitCount(word) * MemoryChunk.PAGE_BYTES;
    }
    if (length == 0) {
      return;
    }
    int packed = packing.isWorthTrying() ? pack(at, pages, length) : store(at, pages, length);
    header.clear().putLong(at).putShort((short) pages);
    header.putShort((short) (packed < length ? MemoryChunk.ZSTD : MemoryChunk.STORED));
    header.putInt((int) crc.getValue()).putLong(0);
    for (long word : bitmap) {
      header.putLong(word);
    }
    packing.sending();
    to.section(SectionKind.MEMORY, section, MemoryChunk.HEADER_BYTES + packed);
    packing.sent(MemoryChunk.HEADER_BYTES + packed);
  }

  /** Copies the pages to an array, and takes their checksum. */
  private void gather(long at, int pages, byte[] target, int offset) {
    int end = offset;
    for (int page = 0; page < pages; ) {
      int run = MemoryChunk.run(bitmap, page, pages);
      if (run > 0) {
        long address = at + (long) page * MemoryChunk.PAGE_BYTES;
        memory.read(address, target, end, run * MemoryChunk.PAGE_BYTES);
        end += run * MemoryChunk.PAGE_BYTES;
      }
      // The page behind a run is none of it.
      page += run + 1;
    }
    crc.reset();
    crc.update(target, offset, end - offset);
  }

  /**
   * Puts the pages into the section, packed if that is shorter; returns how long they are there.
   */
  private int pack(long at, int pages, int length) {
    gather(at, pages, raw, 0);
    packing.packing();
    int packed;
    try {
      // One byte less than the raw pages: what does not fit is not worth unpacking later.
      packed =
          zstd.compressByteArray(section, MemoryChunk.HEADER_BYTES, length - 1, raw, 0, length);
    } catch (ZstdException e) {
      System.arraycopy(raw, 0, section, MemoryChunk.HEADER_BYTES, length);
      packed = length;
    }
    packing.packed(length, packed);
    return packed;
  }

  private int store(long at, int pages, int length) {
    gather(at, pages, section, MemoryChunk.HEADER_BYTES);
    return length;
  }

  /** Gives back what the compressor holds. */
  @Override
  public void close() {
    zstd.close();
  }
}
