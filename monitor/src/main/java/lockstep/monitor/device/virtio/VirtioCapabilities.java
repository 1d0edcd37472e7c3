package lockstep.monitor.device.virtio;

import lockstep.monitor.device.PciConfigSpace;
import lockstep.monitor.state.Bytes;

/** The vendor capabilities by which a driver finds the parts of the window (VIRTIO 1.2, 4.1.4). */
final class VirtioCapabilities {
  /** Capability list number of vendor capabilities. */
  private static final int VENDOR = 9;

  private static final int COMMON = 1;
  private static final int NOTIFY = 2;
  private static final int ISR = 3;
  private static final int DEVICE = 4;

  /** Access to the window through configuration space; see {@link ConfigAccess}. */
  static final int PCI_CONFIG = 5;

  private static final int CAPABILITY_BYTES = 16;

  private VirtioCapabilities() {}

  static void add(
      PciConfigSpace config, int notifyBytes, int notifyMultiplier, int deviceConfigBytes) {
    config.addCapability(
        VENDOR, body(COMMON, VirtioPci.COMMON_START, CommonConfig.SIZE_BYTES, 0, 0));
    config.addCapability(
        VENDOR, body(NOTIFY, VirtioPci.NOTIFY_START, notifyBytes, 4, notifyMultiplier));
    config.addCapability(VENDOR, body(ISR, VirtioPci.ISR_START, 1, 0, 0));
    if (deviceConfigBytes > 0) {
      // Linux refuses a function that has an empty one.
      config.addCapability(VENDOR, body(DEVICE, VirtioPci.DEVICE_START, deviceConfigBytes, 0, 0));
    }
  }

  /** Adds the one that {@link ConfigAccess} serves; returns the register where it starts. */
  static int addPciConfig(PciConfigSpace config) {
    return config.addCapability(VENDOR, body(PCI_CONFIG, 0, 0, 4, 0));
  }

  /** A capability behind its number and link: length, type, window, id, 2 x 0, offset, length. */
  private static Bytes body(
      int type, int startBytes, int lengthBytes, int extraBytes, int extraValue) {
    byte[] body = new byte[CAPABILITY_BYTES - 2 + extraBytes];
    body[0] = (byte) (CAPABILITY_BYTES + extraBytes);
    body[1] = (byte) type;
    body[2] = VirtioPci.BAR;
    put(body, 6, startBytes);
    put(body, 10, lengthBytes);
    if (extraBytes > 0) {
      put(body, 14, extraValue);
    }
    return Bytes.copyOf(body);
  }

  private static void put(byte[] body, int at, int value) {
    for (int i = 0; i < Integer.BYTES; i++) {
      body[at + i] = (byte) (value >>> (8 * i));
    }
  }
}
