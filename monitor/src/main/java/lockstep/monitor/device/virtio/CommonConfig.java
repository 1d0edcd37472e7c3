package lockstep.monitor.device.virtio;

/**
 * Where the registers of the common configuration lie (VIRTIO 1.2, 4.1.4.3). Reads of any size see
 * bytes; a write must be of the size of its register, or of one half of a 64-bit one, as the
 * specification asks of drivers; any other is ignored.
 */
final class CommonConfig {
  /** How large it is, with the two registers that queue reset brought. */
  static final int SIZE_BYTES = 60;

  private static final int DEVICE_FEATURE_SELECT = 0;
  private static final int DEVICE_FEATURE = 4;
  private static final int DRIVER_FEATURE_SELECT = 8;
  private static final int DRIVER_FEATURE = 12;
  private static final int CONFIG_VECTOR = 16;
  private static final int STATUS = 20;
  private static final int QUEUE_SELECT = 22;
  private static final int QUEUE_SIZE = 24;
  private static final int QUEUE_ENABLE = 28;
  private static final int QUEUE_DESCRIPTORS = 32;
  private static final int QUEUE_DRIVER = 40;
  private static final int QUEUE_DEVICE = 48;
  private static final int QUEUE_RESET = 58;

  private CommonConfig() {}

  /** The byte at an offset, 0..255; 0 where there is nothing. */
  static int octet(VirtioPci device, int offset) {
    // Every register of 4 bytes starts at a multiple of 4.
    int word = word(device, offset & ~3);
    return (word >>> (8 * (offset & 3))) & 0xff;
  }

  private static int word(VirtioPci device, int offset) {
    return switch (offset) {
      case DEVICE_FEATURE_SELECT -> device.deviceFeatureSelect();
      case DEVICE_FEATURE -> device.offered();
      case DRIVER_FEATURE_SELECT -> device.driverFeatureSelect();
      case DRIVER_FEATURE -> device.acceptedHalf();
      case CONFIG_VECTOR -> VirtioPci.noVector() | device.queueCount() << 16;
      // The generation beside the status stays 0: the configuration never changes.
      case STATUS -> device.status() | device.queueSelect() << 16;
      default -> device.queueSelected() ? queueWord(device, offset) : 0;
    };
  }

  private static int queueWord(VirtioPci device, int offset) {
    VirtQueue queue = device.selectedQueue();
    return switch (offset) {
      case QUEUE_SIZE -> queue.size() | VirtioPci.noVector() << 16;
      case QUEUE_ENABLE -> (queue.enabled() ? 1 : 0) | device.queueSelect() << 16;
      case QUEUE_DESCRIPTORS -> (int) queue.descriptors();
      case QUEUE_DESCRIPTORS + 4 -> (int) (queue.descriptors() >>> 32);
      case QUEUE_DRIVER -> (int) queue.driverArea();
      case QUEUE_DRIVER + 4 -> (int) (queue.driverArea() >>> 32);
      case QUEUE_DEVICE -> (int) queue.deviceArea();
      case QUEUE_DEVICE + 4 -> (int) (queue.deviceArea() >>> 32);
      // Queue reset among them: it is over before the driver can look.
      default -> 0;
    };
  }

  static void write(VirtioPci device, int offset, int sizeBytes, long value) {
    switch (sizeBytes) {
      case 1 -> {
        if (offset == STATUS) {
          device.status((int) value);
        }
      }
      case 2 -> writeShort(device, offset, (int) value);
      case 4 -> writeInt(device, offset, (int) value);
      default -> {
        if (offset == QUEUE_DESCRIPTORS || offset == QUEUE_DRIVER || offset == QUEUE_DEVICE) {
          writeInt(device, offset, (int) value);
          writeInt(device, offset + 4, (int) (value >>> 32));
        }
      }
    }
  }

  private static void writeShort(VirtioPci device, int offset, int value) {
    if (offset == QUEUE_SELECT) {
      device.queueSelect(value);
      return;
    }
    if (!device.queueSelected()) {
      return;
    }
    switch (offset) {
      case QUEUE_SIZE -> {
        if (!device.selectedQueue().enabled()) {
          device.selectedQueue().size(value);
        }
      }
      case QUEUE_ENABLE -> {
        if (value == 1) {
          device.enableSelectedQueue();
        }
      }
      case QUEUE_RESET -> {
        if (value == 1) {
          device.resetSelectedQueue();
        }
      }
      default -> {
        // Vectors: there is no MSI-X. The rest is read-only.
      }
    }
  }

  private static void writeInt(VirtioPci device, int offset, int value) {
    switch (offset) {
      case DEVICE_FEATURE_SELECT -> device.deviceFeatureSelect(value);
      case DRIVER_FEATURE_SELECT -> device.driverFeatureSelect(value);
      case DRIVER_FEATURE -> device.accept(value);
      default -> {
        if (device.queueSelected() && !device.selectedQueue().enabled()) {
          writeAddress(device.selectedQueue(), offset, value);
        }
      }
    }
  }

  private static void writeAddress(VirtQueue queue, int offset, int value) {
    boolean high = (offset & 4) != 0;
    switch (offset & ~4) {
      case QUEUE_DESCRIPTORS -> queue.descriptors(with(queue.descriptors(), high, value));
      case QUEUE_DRIVER -> queue.driverArea(with(queue.driverArea(), high, value));
      case QUEUE_DEVICE -> queue.deviceArea(with(queue.deviceArea(), high, value));
      default -> {
        // Read-only or nothing.
      }
    }
  }

  private static long with(long old, boolean high, int value) {
    return high
        ? (old & 0xffff_ffffL) | (long) value << 32
        : (old & -(1L << 32)) | Integer.toUnsignedLong(value);
  }
}
