package lockstep.monitor;

import java.util.function.LongSupplier;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.MmioHandler;
import lockstep.monitor.device.PciConfigSpace;

/**
 * Keeps a PCI function's memory window on the bus where the guest wants it. Where something else
 * is, the window is nowhere until the guest moves it; RAM is not asked, and wins.
 */
final class BarWindow {
  private final MmioBus bus;
  private final LongSupplier address;
  private final int sizeBytes;
  private final MmioHandler content;
  private long attachedAt = PciConfigSpace.NOT_MAPPED;

  /**
   * @param address where the guest wants it, or {@link PciConfigSpace#NOT_MAPPED}
   */
  BarWindow(MmioBus bus, LongSupplier address, int sizeBytes, MmioHandler content) {
    this.bus = bus;
    this.address = address;
    this.sizeBytes = sizeBytes;
    this.content = content;
  }

  /** The guest may have moved the window or switched it on or off. */
  void follow() {
    long wanted = address.getAsLong();
    if (wanted == attachedAt) {
      return;
    }
    if (attachedAt != PciConfigSpace.NOT_MAPPED) {
      bus.detach(attachedAt);
    }
    boolean attached =
        wanted != PciConfigSpace.NOT_MAPPED && bus.attach(wanted, sizeBytes, content);
    attachedAt = attached ? wanted : PciConfigSpace.NOT_MAPPED;
  }
}
