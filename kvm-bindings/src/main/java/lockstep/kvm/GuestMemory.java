package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.List;
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

  private final List<Region> regions;
  private final long sizeBytes;
  private boolean closed;

  /** A block of RAM: its guest-physical start and its host mapping. */
  public record Region(int slot, long start, MemorySegment host) {
    /** The first address behind the block. */
    public long end() {
      return start + host.byteSize();
    }
  }

  /** A guest-physical range that is not RAM. */
  public static final class BadGuestAddress extends RuntimeException {
    private static final long serialVersionUID = 1;

    BadGuestAddress(long address, long length) {
      super("guest-physical 0x%x+0x%x is not RAM".formatted(address, length));
    }
  }

  private GuestMemory(List<Region> regions, long sizeBytes) {
    this.regions = regions;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Maps zeroed RAM; pages cost host memory only once touched.
   *
   * @param sizeBytes total, a multiple of 4,096
   * @param lowLimit where the first block ends at most
   */
  public static GuestMemory allocate(long sizeBytes, long lowLimit) throws SysException {
    long low = Math.min(sizeBytes, lowLimit);
    Region first = new Region(0, 0, map(low));
    if (low == sizeBytes) {
      return new GuestMemory(List.of(first), sizeBytes);
    }
    try {
      return new GuestMemory(
          List.of(first, new Region(1, HIGH_START, map(sizeBytes - low))), sizeBytes);
    } catch (SysException e) {
      Posix.munmap(first.host());
      throw e;
    }
  }

  private static MemorySegment map(long bytes) throws SysException {
    // Safe: an anonymous mapping of our own, unmapped only by close.
    return Posix.mmap(
        bytes,
        posix_h.PROT_READ | posix_h.PROT_WRITE,
        posix_h.MAP_PRIVATE | posix_h.MAP_ANONYMOUS | posix_h.MAP_NORESERVE,
        -1,
        "guest memory of " + bytes + " bytes");
  }

  /** Total RAM in bytes. */
  public long sizeBytes() {
    return sizeBytes;
  }

  /** The blocks, by address. */
  public List<Region> regions() {
    return regions;
  }

  /** Whether the whole range is RAM. Never overflows. */
  public boolean contains(long address, long length) {
    for (Region region : regions) {
      if (address >= region.start()
          && length >= 0
          && address < region.end()
          && length <= region.end() - address) {
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

  /** Sets every byte of a range. */
  public void fill(long address, long length, byte value) {
    slice(address, length).fill(value);
  }

  private Region region(long address, long length) {
    for (int i = 0; i < regions.size(); i++) {
      Region region = regions.get(i);
      if (address >= region.start()
          && address < region.end()
          && length >= 0
          && length <= region.end() - address) {
        return region;
      }
    }
    throw new BadGuestAddress(address, length);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      regions.forEach(region -> Posix.munmap(region.host()));
    }
  }
}
