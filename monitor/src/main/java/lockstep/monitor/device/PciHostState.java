package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/**
 * The PCI host.
 *
 * @param address the configuration address register
 * @param bridge the host bridge's configuration space
 */
public record PciHostState(int address, PciConfigState bridge) implements DeviceState {
  /** Checks the reserved bits. */
  public PciHostState {
    if ((address & ~PciHost.ADDRESS_BITS) != 0) {
      throw new IllegalArgumentException(
          "pci: address 0x" + Integer.toHexString(address) + " sets reserved bits");
    }
  }
}
