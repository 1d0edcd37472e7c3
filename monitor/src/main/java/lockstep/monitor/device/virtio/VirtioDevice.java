package lockstep.monitor.device.virtio;

import lockstep.monitor.device.Device;
import lockstep.monitor.state.DeviceState;

/**
 * What every virtio device offers: its state, as each {@link Device} does, and its place on the PCI
 * bus. docs/adding-a-device.md says what else a new one needs.
 *
 * @param <S> the State record
 */
public interface VirtioDevice<S extends DeviceState> extends Device<S> {
  /** The device as the PCI bus sees it. */
  PciDevice pci();
}
