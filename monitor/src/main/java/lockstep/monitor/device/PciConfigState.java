package lockstep.monitor.device;

import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.DeviceState;

/** The 256 bytes of a PCI function's configuration space. */
public record PciConfigState(Bytes content) implements DeviceState {
  /** Checks the size. */
  public PciConfigState {
    if (content.size() != PciConfigSpace.SIZE_BYTES) {
      throw new IllegalArgumentException(
          "pci: configuration space of " + content.size() + " bytes");
    }
  }
}
