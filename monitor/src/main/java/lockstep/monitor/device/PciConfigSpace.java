package lockstep.monitor.device;

import lockstep.monitor.state.Bytes;

/**
 * A type 0 configuration space: identity, command register, base addresses, capabilities, interrupt
 * pin and line. Built by the function that owns it; afterwards only the guest's writes to writable
 * bits change it. Source: PCI Local Bus Specification 3.0, chapter 6.
 *
 * <p>A base address is sized the way the specification asks for: its low bits are not writable, so
 * all ones written read back as the window's size.
 */
public final class PciConfigSpace implements Device<PciConfigState>, PciFunction {
  /** How large the space is. */
  public static final int SIZE_BYTES = 256;

  /** How many base addresses there are. */
  public static final int BARS = 6;

  /** {@link #barAddress}: the guest has not switched this window on. */
  public static final long NOT_MAPPED = -1;

  private static final int COMMAND = 0x04;
  private static final int STATUS = 0x06;
  private static final int REVISION = 0x08;
  private static final int BAR0 = 0x10;
  private static final int BARS_END = BAR0 + 4 * BARS;
  private static final int SUBSYSTEM_VENDOR = 0x2c;
  private static final int CAPABILITIES = 0x34;
  private static final int INTERRUPT_LINE = 0x3c;
  private static final int INTERRUPT_PIN = 0x3d;
  private static final int FIRST_CAPABILITY = 0x40;

  private static final int COMMAND_IO = 0x01;
  private static final int COMMAND_MEMORY = 0x02;
  private static final int COMMAND_MASTER = 0x04;
  private static final int COMMAND_NO_INTX = 0x400;
  private static final int STATUS_CAPABILITIES = 0x10;
  private static final int BAR_IS_IO = 0x01;
  private static final int IO_FLAGS = 0x03;
  private static final int MEMORY_FLAGS = 0x0f;
  private static final int MIN_MEMORY_BAR_BYTES = 16;
  private static final int MIN_IO_BAR_PORTS = 4;

  private final byte[] content = new byte[SIZE_BYTES];
  private final byte[] writable = new byte[SIZE_BYTES];
  private final byte[] powerOn = new byte[SIZE_BYTES];
  private Runnable mappingChanged = () -> {};
  private int nextCapability = FIRST_CAPABILITY;
  private int lastLink = CAPABILITIES;

  /**
   * What a function says about itself.
   *
   * @param vendor 16 bits
   * @param device 16 bits
   * @param revision 8 bits
   * @param classCode 24 bits: base class, subclass, interface
   * @param subsystemVendor 16 bits
   * @param subsystem 16 bits
   */
  public record Identity(
      int vendor, int device, int revision, int classCode, int subsystemVendor, int subsystem) {}

  /** A space with this identity, and neither windows nor interrupt nor capabilities. */
  public PciConfigSpace(Identity identity) {
    put(0, identity.vendor() | identity.device() << 16, 4);
    put(REVISION, identity.revision() | identity.classCode() << 8, 4);
    put(SUBSYSTEM_VENDOR, identity.subsystemVendor() | identity.subsystem() << 16, 4);
    setWritable(COMMAND, 2, COMMAND_MASTER);
    keepAsPowerOn();
  }

  private void put(int register, int value, int sizeBytes) {
    for (int i = 0; i < sizeBytes; i++) {
      content[register + i] = (byte) (value >>> (8 * i));
    }
  }

  private int get(int register, int sizeBytes) {
    int value = 0;
    for (int i = 0; i < sizeBytes; i++) {
      value |= (content[register + i] & 0xff) << (8 * i);
    }
    return value;
  }

  /** Adds to the bits that the guest may write. While building only. */
  public void setWritable(int register, int sizeBytes, int mask) {
    for (int i = 0; i < sizeBytes; i++) {
      writable[register + i] |= (byte) (mask >>> (8 * i));
    }
  }

  private void keepAsPowerOn() {
    System.arraycopy(content, 0, powerOn, 0, SIZE_BYTES);
  }

  /**
   * Gives the function a 32-bit memory window. While building only.
   *
   * @param bar 0..5
   * @param sizeBytes a power of two, 16 or more
   */
  public void memoryBar(int bar, int sizeBytes) {
    addBar(bar, sizeBytes, MIN_MEMORY_BAR_BYTES, 0, COMMAND_MEMORY);
  }

  /** As {@link #memoryBar}, for a window of I/O ports, 4 or more. */
  public void portBar(int bar, int ports) {
    addBar(bar, ports, MIN_IO_BAR_PORTS, BAR_IS_IO, COMMAND_IO);
  }

  private void addBar(int bar, int size, int minSize, int flags, int enable) {
    if (bar < 0 || bar >= BARS || size < minSize || Integer.bitCount(size) != 1) {
      throw new IllegalArgumentException("no such base address: " + bar + ", size " + size);
    }
    put(BAR0 + 4 * bar, flags, 4);
    setWritable(BAR0 + 4 * bar, 4, -size);
    setWritable(COMMAND, 2, enable);
    keepAsPowerOn();
  }

  /**
   * Gives the function interrupt pin A. While building only.
   *
   * @param line the interrupt request the pin is wired to; the guest may note another
   */
  public void interrupt(int line) {
    put(INTERRUPT_LINE, line, 1);
    put(INTERRUPT_PIN, 1, 1);
    setWritable(INTERRUPT_LINE, 1, 0xff);
    setWritable(COMMAND, 2, COMMAND_NO_INTX);
    keepAsPowerOn();
  }

  /**
   * Appends a capability to the list. While building only.
   *
   * @param id the capability's number
   * @param body what follows the two bytes of number and link
   * @return the register where the capability starts
   */
  public int addCapability(int id, Bytes body) {
    int start = nextCapability;
    int end = start + 2 + body.size();
    if (end > SIZE_BYTES) {
      throw new IllegalArgumentException("capability " + id + " ends at " + end + ", beyond 256");
    }
    put(lastLink, start, 1);
    put(start, id, 1);
    for (int i = 0; i < body.size(); i++) {
      put(start + 2 + i, body.at(i), 1);
    }
    put(STATUS, STATUS_CAPABILITIES, 1);
    lastLink = start + 1;
    nextCapability = (end + 3) & ~3;
    keepAsPowerOn();
    return start;
  }

  /** Names who is told after the guest may have moved or switched a window. While building only. */
  public void onMappingChange(Runnable listener) {
    mappingChanged = listener;
  }

  /**
   * Where the guest wants a window: port or guest-physical address, or {@link #NOT_MAPPED} while
   * the command register has it switched off or it is absent.
   */
  public long barAddress(int bar) {
    int register = BAR0 + 4 * bar;
    int value = get(register, 4);
    boolean isIo = (value & BAR_IS_IO) != 0;
    boolean present = writable[register + 3] != 0;
    if (!present || (get(COMMAND, 2) & (isIo ? COMMAND_IO : COMMAND_MEMORY)) == 0) {
      return NOT_MAPPED;
    }
    return Integer.toUnsignedLong(value & ~(isIo ? IO_FLAGS : MEMORY_FLAGS));
  }

  /** The guest lets the function read and write its memory. */
  public boolean busMaster() {
    return (get(COMMAND, 2) & COMMAND_MASTER) != 0;
  }

  /** The guest has switched the interrupt pin off. */
  public boolean interruptDisabled() {
    return (get(COMMAND, 2) & COMMAND_NO_INTX) != 0;
  }

  @Override
  public int readConfig(int register, int sizeBytes) {
    return get(register, sizeBytes);
  }

  @Override
  public void writeConfig(int register, int sizeBytes, int value) {
    for (int i = 0; i < sizeBytes; i++) {
      int at = register + i;
      int octet = value >>> (8 * i);
      content[at] = (byte) ((content[at] & ~writable[at]) | (octet & writable[at]));
    }
    boolean command = register < COMMAND + 2 && register + sizeBytes > COMMAND;
    if (command || (register >= BAR0 && register < BARS_END)) {
      mappingChanged.run();
    }
  }

  @Override
  public PciConfigState save() {
    return new PciConfigState(Bytes.copyOf(content));
  }

  @Override
  public void restore(PciConfigState state) {
    for (int i = 0; i < SIZE_BYTES; i++) {
      if (((state.content().at(i) ^ powerOn[i]) & ~writable[i] & 0xff) != 0) {
        throw new IllegalArgumentException(
            "pci: register " + i + " is of another function: " + state.content().at(i));
      }
    }
    for (int i = 0; i < SIZE_BYTES; i++) {
      content[i] = (byte) state.content().at(i);
    }
    mappingChanged.run();
  }

  @Override
  public Class<PciConfigState> stateType() {
    return PciConfigState.class;
  }

  @Override
  public void reset() {
    System.arraycopy(powerOn, 0, content, 0, SIZE_BYTES);
    mappingChanged.run();
  }
}
