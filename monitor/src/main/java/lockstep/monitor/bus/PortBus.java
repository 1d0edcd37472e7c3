package lockstep.monitor.bus;

/**
 * The 65,536 I/O ports. A handler attached with {@link #attach} is byte wide and sees wider
 * accesses as bytes, low byte at the low port first, as the ISA bus does it; one attached with
 * {@link #attachWide} sees every access that lies within its window as the guest made it.
 */
public final class PortBus {
  private static final int PORTS = 0x10000;
  private static final int MAX_WINDOWS = 256;

  /** The window that owns a port, 0 for none. */
  private final short[] owners = new short[PORTS];

  private final PortHandler[] handlers = new PortHandler[MAX_WINDOWS];
  private final int[] bases = new int[MAX_WINDOWS];
  private final int[] ends = new int[MAX_WINDOWS];
  private final boolean[] wide = new boolean[MAX_WINDOWS];
  private int windows;
  private long unclaimedReads;
  private long unclaimedWrites;

  /**
   * Gives {@code count} ports from {@code base} to a byte-wide handler.
   *
   * @throws IllegalArgumentException when a port is taken or does not exist
   */
  public void attach(int base, int count, PortHandler handler) {
    attach(base, count, handler, false);
  }

  /** As {@link #attach}, for a handler that takes accesses of 2 and 4 bytes itself. */
  public void attachWide(int base, int count, PortHandler handler) {
    attach(base, count, handler, true);
  }

  private void attach(int base, int count, PortHandler handler, boolean isWide) {
    if (base < 0 || count < 1 || base > PORTS - count) {
      throw new IllegalArgumentException("no such ports: " + count + " from " + base);
    }
    if (windows + 1 == MAX_WINDOWS) {
      throw new IllegalArgumentException("more than " + (MAX_WINDOWS - 1) + " port windows");
    }
    for (int port = base; port < base + count; port++) {
      if (owners[port] != 0) {
        throw new IllegalArgumentException("port 0x" + Integer.toHexString(port) + " is taken");
      }
    }
    windows++;
    handlers[windows] = handler;
    bases[windows] = base;
    ends[windows] = base + count;
    wide[windows] = isWide;
    for (int port = base; port < base + count; port++) {
      owners[port] = (short) windows;
    }
  }

  /**
   * The guest reads {@code sizeBytes} (1, 2 or 4) from {@code port} (0..65535). Ports without an
   * owner, and those past the last, read as all ones.
   *
   * @return the value, zero above {@code sizeBytes}
   */
  public int read(int port, int sizeBytes) {
    int owner = owners[port & 0xffff];
    if (owner != 0 && (sizeBytes == 1 || (wide[owner] && port + sizeBytes <= ends[owner]))) {
      return handlers[owner].read(port - bases[owner], sizeBytes) & mask(sizeBytes);
    }
    int value = 0;
    boolean unclaimed = false;
    for (int i = 0; i < sizeBytes; i++) {
      int at = port + i;
      int byteOwner = at < PORTS ? owners[at] : 0;
      int octet = 0xff;
      if (byteOwner == 0) {
        unclaimed = true;
      } else {
        octet = handlers[byteOwner].read(at - bases[byteOwner], 1) & 0xff;
      }
      value |= octet << (8 * i);
    }
    if (unclaimed) {
      unclaimedReads++;
    }
    return value;
  }

  /** The guest writes; parameters as for {@link #read}. Bytes that nobody owns vanish. */
  public void write(int port, int sizeBytes, int value) {
    int owner = owners[port & 0xffff];
    if (owner != 0 && (sizeBytes == 1 || (wide[owner] && port + sizeBytes <= ends[owner]))) {
      handlers[owner].write(port - bases[owner], sizeBytes, value & mask(sizeBytes));
      return;
    }
    boolean unclaimed = false;
    for (int i = 0; i < sizeBytes; i++) {
      int at = port + i;
      int byteOwner = at < PORTS ? owners[at] : 0;
      if (byteOwner == 0) {
        unclaimed = true;
      } else {
        handlers[byteOwner].write(at - bases[byteOwner], 1, (value >>> (8 * i)) & 0xff);
      }
    }
    if (unclaimed) {
      unclaimedWrites++;
    }
  }

  private static int mask(int sizeBytes) {
    return sizeBytes == 4 ? -1 : (1 << (8 * sizeBytes)) - 1;
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
