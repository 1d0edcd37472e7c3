package lockstep.monitor.device.virtio;

import lockstep.monitor.bus.MmioHandler;
import lockstep.monitor.device.PciConfigSpace;
import lockstep.monitor.device.PciFunction;

/** A PCI function with one memory window, as a bus needs it. */
public interface PciDevice {
  /** Its configuration space. */
  PciFunction function();

  /** The memory window's content. */
  MmioHandler window();

  /** How large the memory window is. */
  int windowBytes();

  /** Where the guest wants the window: guest-physical, or {@link PciConfigSpace#NOT_MAPPED}. */
  long windowAddress();

  /** Names who is told when the window may have moved. While wiring only. */
  void onWindowMoved(Runnable listener);
}
