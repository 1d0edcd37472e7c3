package lockstep.monitor.device;

import lockstep.monitor.bus.PortHandler;
import org.jspecify.annotations.Nullable;

/**
 * Configuration mechanism 1 (eight ports, 0xcf8 on a PC: address, data) and bus 0 behind it, with a
 * host bridge as device 0. Functions that do not exist read as all ones and ignore writes, as do
 * accesses while the enable bit is off.
 *
 * <p>Only a doubleword at the first port reaches the address register; Linux's pci_check_type1
 * writes a byte at 0xcfb and expects it to go elsewhere. One byte at 0xcf9 is the chip set's reset
 * control register. Must be attached wide. Source: PCI Local Bus Specification 3.0, 3.2.2.3.2;
 * Intel 82441FX datasheet 290549, CONFADD.
 */
public final class PciHost implements Device<PciHostState>, PortHandler {
  /** How many ports the device takes. */
  public static final int PORTS = 8;

  /** How many devices a bus has. */
  public static final int DEVICES = 32;

  /** The address register's bits that exist: enable, bus, device, function, register. */
  static final int ADDRESS_BITS = 0x80ff_fffc;

  private static final int ENABLE = 0x8000_0000;
  private static final int DATA = 4;
  private static final int RESET_CONTROL = 1;

  /** Intel 82441FX: what guests of a PC with a PIC and no ACPI know best. Class: host bridge. */
  private static final PciConfigSpace.Identity HOST_BRIDGE =
      new PciConfigSpace.Identity(0x8086, 0x1237, 2, 0x06_0000, 0, 0);

  private final PortHandler resetControl;
  private final PciConfigSpace bridge = new PciConfigSpace(HOST_BRIDGE);
  private final @Nullable PciFunction[] functions = new @Nullable PciFunction[DEVICES];
  private int address;

  /**
   * A bus with nothing but the host bridge.
   *
   * @param resetControl takes bytes at the second port
   */
  public PciHost(PortHandler resetControl) {
    this.resetControl = resetControl;
    functions[0] = bridge;
  }

  /**
   * Puts a function into a slot of bus 0, as function 0 of that device. Before the guest runs only.
   *
   * @param device 1..31
   * @throws IllegalArgumentException when the slot is taken or does not exist
   */
  public void add(int device, PciFunction function) {
    if (device < 0 || device >= DEVICES || functions[device] != null) {
      throw new IllegalArgumentException("PCI device " + device + " is taken or not 1..31");
    }
    functions[device] = function;
  }

  /** The function that the address register names; null when there is none. */
  private @Nullable PciFunction selected() {
    boolean bus0Function0 = (address & 0x00ff_0700) == 0;
    return (address & ENABLE) != 0 && bus0Function0 ? functions[(address >>> 11) & 0x1f] : null;
  }

  @Override
  public int read(int offset, int sizeBytes) {
    if (offset == 0 && sizeBytes == 4) {
      return address;
    }
    if (offset == RESET_CONTROL && sizeBytes == 1) {
      return resetControl.read(0, 1);
    }
    if (offset >= DATA && offset + sizeBytes <= PORTS) {
      PciFunction function = selected();
      return function == null
          ? -1
          : function.readConfig((address & 0xfc) + offset - DATA, sizeBytes);
    }
    if (sizeBytes == 1) {
      return 0xff;
    }
    int value = 0;
    for (int i = 0; i < sizeBytes; i++) {
      value |= (offset + i < DATA ? 0xff : read(offset + i, 1) & 0xff) << (8 * i);
    }
    return value;
  }

  @Override
  public void write(int offset, int sizeBytes, int value) {
    if (offset == 0 && sizeBytes == 4) {
      address = value & ADDRESS_BITS;
    } else if (offset == RESET_CONTROL && sizeBytes == 1) {
      resetControl.write(0, 1, value);
    } else if (offset >= DATA && offset + sizeBytes <= PORTS) {
      PciFunction function = selected();
      if (function != null) {
        function.writeConfig((address & 0xfc) + offset - DATA, sizeBytes, value);
      }
    } else {
      for (int i = Math.max(0, DATA - offset); i < sizeBytes; i++) {
        write(offset + i, 1, (value >>> (8 * i)) & 0xff);
      }
    }
  }

  @Override
  public PciHostState save() {
    return new PciHostState(address, bridge.save());
  }

  @Override
  public void restore(PciHostState state) {
    address = state.address();
    bridge.restore(state.bridge());
  }

  @Override
  public Class<PciHostState> stateType() {
    return PciHostState.class;
  }

  @Override
  public void reset() {
    address = 0;
    bridge.reset();
  }
}
