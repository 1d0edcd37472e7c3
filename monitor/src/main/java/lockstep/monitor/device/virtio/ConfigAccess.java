package lockstep.monitor.device.virtio;

import lockstep.monitor.bus.MmioHandler;
import lockstep.monitor.device.PciConfigSpace;

/**
 * The way to the window through configuration space, for firmware that cannot map it (VIRTIO 1.2,
 * 4.1.4.9): the driver writes window, offset and length into the capability, then reads or writes
 * its data register.
 */
final class ConfigAccess {
  private static final int WINDOW = 4;
  private static final int OFFSET = 8;
  private static final int LENGTH = 12;
  private static final int DATA = 16;

  private final PciConfigSpace config;
  private final MmioHandler window;
  private final int start;

  ConfigAccess(PciConfigSpace config, MmioHandler window) {
    this.config = config;
    this.window = window;
    this.start = VirtioCapabilities.addPciConfig(config);
    config.setWritable(start + WINDOW, 1, 0xff);
    config.setWritable(start + OFFSET, 4, -1);
    config.setWritable(start + LENGTH, 4, -1);
    config.setWritable(start + DATA, 4, -1);
  }

  /** The access is to the data register. */
  boolean isData(int register) {
    return register >= start + DATA && register < start + DATA + Integer.BYTES;
  }

  int read(int register, int sizeBytes) {
    if (register != start + DATA || !isPossible(sizeBytes)) {
      return config.readConfig(register, sizeBytes);
    }
    return (int) window.read(offset(), length());
  }

  void write(int register, int sizeBytes, int value) {
    if (register == start + DATA && isPossible(sizeBytes)) {
      int length = length();
      long mask = length == Integer.BYTES ? 0xffff_ffffL : (1L << (8 * length)) - 1;
      window.write(offset(), length, value & mask);
    }
  }

  private int length() {
    return config.readConfig(start + LENGTH, 4);
  }

  private int offset() {
    return config.readConfig(start + OFFSET, 4);
  }

  /** Length 1, 2 or 4, no more than accessed; offset a multiple of it, inside the window. */
  private boolean isPossible(int sizeBytes) {
    int length = length();
    int offset = offset();
    return config.readConfig(start + WINDOW, 1) == VirtioPci.BAR
        && (length == 1 || length == 2 || length == 4)
        && length <= sizeBytes
        && offset >= 0
        && offset % length == 0
        && offset <= VirtioPci.BAR_BYTES - length;
  }
}
