package lockstep.monitor.bus;

/**
 * Windows of guest-physical addresses outside RAM, which come and go as the guest moves PCI base
 * addresses. An access that does not lie within one window is made byte by byte.
 */
public final class MmioBus {
  private static final int MAX_WINDOWS = 256;

  private final long[] starts = new long[MAX_WINDOWS];
  private final long[] sizes = new long[MAX_WINDOWS];
  private final MmioHandler[] handlers = new MmioHandler[MAX_WINDOWS];
  private int windows;
  private long unclaimedReads;
  private long unclaimedWrites;

  /**
   * Gives a window to a handler, unless some of it is taken: a guest may well ask for that.
   *
   * @param start guest-physical, not negative
   * @return whether the window is attached
   * @throws IllegalArgumentException when the window is empty or leaves the address space
   */
  public boolean attach(long start, long sizeBytes, MmioHandler handler) {
    if (start < 0 || sizeBytes < 1 || start > Long.MAX_VALUE - sizeBytes) {
      throw new IllegalArgumentException("no such window: " + sizeBytes + " bytes from " + start);
    }
    int at = find(start) + 1;
    boolean free =
        (at == 0 || starts[at - 1] + sizes[at - 1] <= start)
            && (at == windows || start + sizeBytes <= starts[at]);
    if (!free || windows == MAX_WINDOWS) {
      return false;
    }
    System.arraycopy(starts, at, starts, at + 1, windows - at);
    System.arraycopy(sizes, at, sizes, at + 1, windows - at);
    System.arraycopy(handlers, at, handlers, at + 1, windows - at);
    starts[at] = start;
    sizes[at] = sizeBytes;
    handlers[at] = handler;
    windows++;
    return true;
  }

  /**
   * Takes back the window that starts at {@code start}.
   *
   * @throws IllegalArgumentException when there is none
   */
  public void detach(long start) {
    int at = find(start);
    if (at < 0 || starts[at] != start) {
      throw new IllegalArgumentException("no window starts at 0x" + Long.toHexString(start));
    }
    System.arraycopy(starts, at + 1, starts, at, windows - at - 1);
    System.arraycopy(sizes, at + 1, sizes, at, windows - at - 1);
    System.arraycopy(handlers, at + 1, handlers, at, windows - at - 1);
    windows--;
  }

  /** The last window that starts at or below {@code address}, -1 for none. */
  private int find(long address) {
    int low = 0;
    int high = windows;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (starts[middle] <= address) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low - 1;
  }

  /** The window that holds all of the access, -1 for none; safe for every 64-bit address. */
  private int holder(long address, int sizeBytes) {
    int at = find(address);
    return at >= 0 && address - starts[at] <= sizes[at] - sizeBytes ? at : -1;
  }

  /**
   * The guest reads {@code sizeBytes} (1, 2, 4 or 8); bytes that nobody owns read as all ones.
   *
   * @return the value, zero above {@code sizeBytes}
   */
  public long read(long address, int sizeBytes) {
    int at = holder(address, sizeBytes);
    if (at >= 0) {
      return handlers[at].read(address - starts[at], sizeBytes) & mask(sizeBytes);
    }
    long value = 0;
    boolean unclaimed = false;
    for (int i = 0; i < sizeBytes; i++) {
      int window = holder(address + i, 1);
      long octet = 0xff;
      if (window < 0) {
        unclaimed = true;
      } else {
        octet = handlers[window].read(address + i - starts[window], 1) & 0xff;
      }
      value |= octet << (8 * i);
    }
    if (unclaimed) {
      unclaimedReads++;
    }
    return value;
  }

  /** The guest writes; parameters as for {@link #read}. Bytes that nobody owns vanish. */
  public void write(long address, int sizeBytes, long value) {
    int at = holder(address, sizeBytes);
    if (at >= 0) {
      handlers[at].write(address - starts[at], sizeBytes, value & mask(sizeBytes));
      return;
    }
    boolean unclaimed = false;
    for (int i = 0; i < sizeBytes; i++) {
      int window = holder(address + i, 1);
      if (window < 0) {
        unclaimed = true;
      } else {
        handlers[window].write(address + i - starts[window], 1, (value >>> (8 * i)) & 0xff);
      }
    }
    if (unclaimed) {
      unclaimedWrites++;
    }
  }

  private static long mask(int sizeBytes) {
    return sizeBytes == 8 ? -1 : (1L << (8 * sizeBytes)) - 1;
  }

  /** Reads of which at least one byte had no owner. */
  public long unclaimedReads() {
    return unclaimedReads;
  }

  /** Writes of which at least one byte had no owner. */
  public long unclaimedWrites() {
    return unclaimedWrites;
  }
}
