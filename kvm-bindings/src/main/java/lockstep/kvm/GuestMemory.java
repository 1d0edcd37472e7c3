package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * Guest RAM by guest-physical address: one block from 0, and a second one from 4 GiB if there is
 * more than fits below the PCI hole. Addresses come from guests and are hostile: every access is
 * checked, and what is outside RAM is a {@link BadGuestAddress}, which the caller turns into what
 * the hardware would do.
 */
public final class GuestMemory implements AutoCloseable {
  private static final long HIGH_START = 1L << 32;

  /** RAM comes in whole pages. */
  public static final long PAGE_BYTES = 4096;

  /** A bound against typing errors; far above what one vCPU can make use of. */
  public static final long MAX_BYTES = 1L << 40;

  private static final long MAX_PIECE_BYTES = 1L << 30;

  private final List<Region> regions;
  private final long sizeBytes;
  private final Arena arena;
  private boolean closed;

  /** A block of RAM: its guest-physical start and its host mapping. */
  public record Region(int slot, long start, MemorySegment host) {
    /** The first address behind the block. */
    public long end() {
      return start + host.byteSize();
    }

    /** Whether the whole range lies in this block. Written so that nothing can overflow. */
    boolean contains(long address, long length) {
      return address >= start && length >= 0 && address < end() && length <= end() - address;
    }

    /** How many pages of 4,096 bytes it has. */
    public long pages() {
      return host.byteSize() / PAGE_BYTES;
    }
  }

  /** A guest-physical range that is not RAM. */
  public static final class BadGuestAddress extends RuntimeException {
    private static final long serialVersionUID = 1;

    BadGuestAddress(long address, long length) {
      super("guest-physical 0x%x+0x%x is not RAM".formatted(address, length));
    }
  }

  private GuestMemory(Arena arena, List<Region> regions, long sizeBytes) {
    this.arena = arena;
    this.regions = regions;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Maps zeroed RAM; pages cost host memory only once touched.
   *
   * @param sizeBytes total, a multiple of 4,096, at most {@link #MAX_BYTES}
   * @param lowLimit where the first block ends at most, a multiple of 4,096, at most 4 GiB
   * @throws IllegalArgumentException for any other size
   */
  public static GuestMemory allocate(long sizeBytes, long lowLimit) throws SysException {
    if (sizeBytes <= 0 || sizeBytes > MAX_BYTES || sizeBytes % PAGE_BYTES != 0) {
      throw new IllegalArgumentException(
          "guest memory of %d bytes: must be a multiple of %d from %d to %d"
              .formatted(sizeBytes, PAGE_BYTES, PAGE_BYTES, MAX_BYTES));
    }
    if (lowLimit <= 0 || lowLimit > HIGH_START || lowLimit % PAGE_BYTES != 0) {
      throw new IllegalArgumentException("low memory limit 0x" + Long.toHexString(lowLimit));
    }
    // Shared, because threads that copy pages for a state transfer read it too; and an access after
    // close is an exception instead of a crash.
    Arena arena = Arena.ofShared();
    try {
      long low = Math.min(sizeBytes, lowLimit);
      List<Region> regions = new ArrayList<>();
      regions.add(new Region(0, 0, map(arena, low)));
      if (low < sizeBytes) {
        regions.add(new Region(1, HIGH_START, map(arena, sizeBytes - low)));
      }
      return new GuestMemory(arena, List.copyOf(regions), sizeBytes);
    } catch (SysException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static MemorySegment map(Arena arena, long bytes) throws SysException {
    return Posix.mmap(
        arena,
        bytes,
        posix_h.PROT_READ | posix_h.PROT_WRITE,
        posix_h.MAP_PRIVATE | posix_h.MAP_ANONYMOUS | posix_h.MAP_NORESERVE,
        -1,
        "guest memory of " + bytes + " bytes");
  }

  /**
   * Says that all of it is about to be written: in large pages where the kernel has them
   * (MADV_HUGEPAGE, madvise(2)), because to get it by 4 KiB takes three times as long as to write
   * it.
   */
  public void expectContent() {
    for (Region region : regions) {
      try {
        Posix.madvise(region.host(), posix_h.MADV_HUGEPAGE, "guest memory");
      } catch (SysException e) {
        // A kernel without them (EINVAL): in small pages, then.
      }
    }
  }

  /** Total RAM in bytes. */
  public long sizeBytes() {
    return sizeBytes;
  }

  /** The blocks, by address. */
  public List<Region> regions() {
    return regions;
  }

  /** Whether the whole range is RAM in one block. Never overflows. */
  public boolean contains(long address, long length) {
    for (int i = 0; i < regions.size(); i++) {
      if (regions.get(i).contains(address, length)) {
        return true;
      }
    }
    return false;
  }

  /** A view of a range; throws {@link BadGuestAddress} when it is not all RAM in one block. */
  public MemorySegment slice(long address, long length) {
    Region region = region(address, length);
    return region.host().asSlice(address - region.start(), length);
  }

  /** One byte, 0..255. */
  public int getByte(long address) {
    Region region = region(address, 1);
    return region.host().get(JAVA_BYTE, address - region.start()) & 0xff;
  }

  /** Two bytes, little-endian, 0..65535. */
  public int getShort(long address) {
    Region region = region(address, 2);
    return region.host().get(JAVA_SHORT_UNALIGNED, address - region.start()) & 0xffff;
  }

  /** Four bytes, little-endian. */
  public int getInt(long address) {
    Region region = region(address, 4);
    return region.host().get(JAVA_INT_UNALIGNED, address - region.start());
  }

  /** Eight bytes, little-endian. */
  public long getLong(long address) {
    Region region = region(address, 8);
    return region.host().get(JAVA_LONG_UNALIGNED, address - region.start());
  }

  /** Sets one byte. */
  public void putByte(long address, int value) {
    Region region = region(address, 1);
    region.host().set(JAVA_BYTE, address - region.start(), (byte) value);
  }

  /** Sets two bytes, little-endian. */
  public void putShort(long address, int value) {
    Region region = region(address, 2);
    region.host().set(JAVA_SHORT_UNALIGNED, address - region.start(), (short) value);
  }

  /** Sets four bytes, little-endian. */
  public void putInt(long address, int value) {
    Region region = region(address, 4);
    region.host().set(JAVA_INT_UNALIGNED, address - region.start(), value);
  }

  /** Sets eight bytes, little-endian. */
  public void putLong(long address, long value) {
    Region region = region(address, 8);
    region.host().set(JAVA_LONG_UNALIGNED, address - region.start(), value);
  }

  /** Copies out of the guest. */
  public void read(long address, byte[] into, int offset, int length) {
    Region region = region(address, length);
    MemorySegment.copy(region.host(), JAVA_BYTE, address - region.start(), into, offset, length);
  }

  /** Copies into the guest; vCPU thread only once the machine runs. */
  public void write(long address, byte[] from, int offset, int length) {
    Region region = region(address, length);
    MemorySegment.copy(from, offset, region.host(), JAVA_BYTE, address - region.start(), length);
  }

  /** The same from what is left in a buffer, whose position stays. */
  public void write(long address, ByteBuffer from) {
    int length = from.remaining();
    Region region = region(address, length);
    MemorySegment.copy(
        MemorySegment.ofBuffer(from), 0, region.host(), address - region.start(), length);
  }

  /** Copies a range from the same place in another guest memory; vCPU thread only. */
  public void copyFrom(GuestMemory other, long address, long length) {
    slice(address, length).copyFrom(other.slice(address, length));
  }

  /** Sets every byte of a range. */
  public void fill(long address, long length, byte value) {
    slice(address, length).fill(value);
  }

  /**
   * CRC-32C (RFC 3720, appendix B.4) of a range, computed where it lies, at memory speed. For a
   * value that means something the vCPU must stand still.
   */
  public int checksum(long address, long length) {
    Region region = region(address, length);
    CRC32C crc = new CRC32C();
    long offset = address - region.start();
    long end = offset + length;
    while (offset < end) {
      // A ByteBuffer, which is what CRC32C takes, ends at 2 GiB.
      long piece = Math.min(end - offset, MAX_PIECE_BYTES);
      crc.update(region.host().asSlice(offset, piece).asByteBuffer());
      offset += piece;
    }
    return (int) crc.getValue();
  }

  /** Whether a range holds nothing but zero bytes. */
  public boolean isZero(long address, long length) {
    Region region = region(address, length);
    MemorySegment host = region.host();
    long offset = address - region.start();
    long end = offset + length;
    if (length == 0) {
      return true;
    }
    // Zero, and every byte is like the next one.
    return host.get(JAVA_BYTE, offset) == 0
        && MemorySegment.mismatch(host, offset, end - 1, host, offset + 1, end) < 0;
  }

  private Region region(long address, long length) {
    // By index: an iterator would be an allocation per access.
    for (int i = 0; i < regions.size(); i++) {
      Region region = regions.get(i);
      if (region.contains(address, length)) {
        return region;
      }
    }
    throw new BadGuestAddress(address, length);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      arena.close();
    }
  }
}
