package lockstep.monitor;

import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.device.PciConfigSpace;
import lockstep.monitor.device.virtio.PciDevice;

/**
 * Keeps a PCI function's memory window on the bus where the guest wants it. Where something else
 * is, the window is nowhere until the guest moves it; RAM is not asked, and wins.
 */
final class BarWindow {
  private final MmioBus bus;
  private final PciDevice device;
  private long attachedAt = PciConfigSpace.NOT_MAPPED;

  /** A window that is nowhere yet. */
  BarWindow(MmioBus bus, PciDevice device) {
    this.bus = bus;
    this.device = device;
  }

  /** The guest may have moved the window or switched it on or off. */
  void follow() {
    long wanted = device.windowAddress();
    if (wanted == attachedAt) {
      return;
    }
    if (attachedAt != PciConfigSpace.NOT_MAPPED) {
      bus.detach(attachedAt);
    }
    boolean attached =
        wanted != PciConfigSpace.NOT_MAPPED
            && bus.attach(wanted, device.windowBytes(), device.window());
    attachedAt = attached ? wanted : PciConfigSpace.NOT_MAPPED;
  }
}
