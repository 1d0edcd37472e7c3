package lockstep.monitor.device.virtio;

import java.util.Arrays;
import java.util.List;
import lockstep.monitor.bus.InterruptLine;
import lockstep.monitor.bus.MmioHandler;
import lockstep.monitor.device.PciConfigSpace;
import lockstep.monitor.device.PciFunction;

/**
 * The virtio-pci transport, modern only (VIRTIO 1.2, 4.1): a PCI function with one memory window
 * that holds common configuration, interrupt status, device configuration and notification, found
 * by vendor capabilities. Interrupts by pin A; there is no MSI-X.
 *
 * <p>A driver that writes nonsense is ignored where the specification leaves it open, and makes the
 * device need a reset where it could no longer be served.
 */
final class VirtioPci implements PciFunction, PciDevice {
  /** VIRTIO_F_INDIRECT_DESC: a descriptor may point to a table of more. */
  static final long FEATURE_INDIRECT = 1L << 28;

  /** VIRTIO_F_VERSION_1: not the legacy interface. A driver must accept it. */
  static final long FEATURE_VERSION_1 = 1L << 32;

  /** VIRTIO_F_RING_RESET: a queue may be reset by itself. */
  static final long FEATURE_RING_RESET = 1L << 40;

  private static final long FEATURES = FEATURE_INDIRECT | FEATURE_VERSION_1 | FEATURE_RING_RESET;

  /** The window: number, size, and what starts where. */
  static final int BAR = 0;

  static final int BAR_BYTES = 0x4000;
  static final int COMMON_START = 0;
  static final int ISR_START = 0x1000;
  static final int DEVICE_START = 0x2000;
  static final int NOTIFY_START = 0x3000;

  private static final int NOTIFY_MULTIPLIER = 4;
  private static final int NO_VECTOR = 0xffff;

  private static final int STATUS_FEATURES_OK = 8;
  private static final int STATUS_DRIVER_OK = 4;
  private static final int STATUS_NEEDS_RESET = 0x40;
  private static final int STATUS_BY_DRIVER = 0x8f;

  private static final int INTERRUPT_QUEUE = 1;
  private static final int INTERRUPT_CONFIG = 2;

  private static final int PCI_STATUS = 6;
  private static final int PCI_STATUS_INTERRUPT = 8;

  private final PciConfigSpace config;
  private final ConfigAccess configAccess;
  private final long features;
  private final VirtioFunction function;
  private final InterruptLine line;
  private final VirtQueue[] queues;
  private final MmioHandler window = new Window();
  private Runnable windowMoved = () -> {};

  private int deviceFeatureSelect;
  private int driverFeatureSelect;
  private long driverFeatures;
  private int status;
  private int queueSelect;
  private int interruptStatus;

  /**
   * What distinguishes a kind of device.
   *
   * @param identity of the PCI function
   * @param features of the device; those of the transport are added
   * @param queueSizes descriptors of each queue at most
   * @param configBytes how large the device's configuration is
   */
  record Kind(
      PciConfigSpace.Identity identity, long features, List<Integer> queueSizes, int configBytes) {}

  /** A transport as after power-on. */
  VirtioPci(Kind kind, VirtioFunction function, PciWiring wiring) {
    this.features = kind.features() | FEATURES;
    this.function = function;
    this.line = wiring.line();
    this.queues = new VirtQueue[kind.queueSizes().size()];
    Arrays.setAll(queues, i -> new VirtQueue(wiring.ram(), kind.queueSizes().get(i)));
    this.config = new PciConfigSpace(kind.identity());
    config.memoryBar(BAR, BAR_BYTES);
    config.interrupt(wiring.irq());
    config.onMappingChange(
        () -> {
          driveLine();
          windowMoved.run();
        });
    VirtioCapabilities.add(
        config, queues.length * NOTIFY_MULTIPLIER, NOTIFY_MULTIPLIER, kind.configBytes());
    this.configAccess = new ConfigAccess(config, window);
  }

  @Override
  public PciFunction function() {
    return this;
  }

  @Override
  public MmioHandler window() {
    return window;
  }

  @Override
  public int windowBytes() {
    return BAR_BYTES;
  }

  @Override
  public long windowAddress() {
    return config.barAddress(BAR);
  }

  @Override
  public void onWindowMoved(Runnable listener) {
    windowMoved = listener;
  }

  VirtQueue queue(int index) {
    return queues[index];
  }

  /** Whether the driver has accepted a feature. */
  boolean accepted(long feature) {
    return (driverFeatures & feature) != 0;
  }

  /** The driver is ready, the device is sound, and PCI lets it reach memory. */
  boolean live() {
    return (status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) == STATUS_DRIVER_OK
        && config.busMaster();
  }

  /** The device cannot go on with what the driver gave it (VIRTIO 1.2, 2.1.2). */
  void needsReset() {
    if ((status & STATUS_NEEDS_RESET) == 0) {
      status |= STATUS_NEEDS_RESET;
      if ((status & STATUS_DRIVER_OK) != 0) {
        interrupt(INTERRUPT_CONFIG);
      }
    }
  }

  /** A used ring changed and the driver wants to know. */
  void queueInterrupt() {
    interrupt(INTERRUPT_QUEUE);
  }

  private void interrupt(int cause) {
    interruptStatus |= cause;
    driveLine();
  }

  private void driveLine() {
    line.set(interruptStatus != 0 && !config.interruptDisabled());
  }

  @Override
  public int readConfig(int register, int sizeBytes) {
    if (configAccess.isData(register)) {
      return configAccess.read(register, sizeBytes);
    }
    int value = config.readConfig(register, sizeBytes);
    if (interruptStatus != 0 && register <= PCI_STATUS && register + sizeBytes > PCI_STATUS) {
      value |= PCI_STATUS_INTERRUPT << (8 * (PCI_STATUS - register));
    }
    return value;
  }

  @Override
  public void writeConfig(int register, int sizeBytes, int value) {
    config.writeConfig(register, sizeBytes, value);
    if (configAccess.isData(register)) {
      configAccess.write(register, sizeBytes, value);
    }
  }

  /** The window: which part an access meets. Accesses across two parts do not exist. */
  private final class Window implements MmioHandler {
    @Override
    public long read(long offsetBytes, int sizeBytes) {
      int offset = (int) offsetBytes;
      long value = 0;
      for (int i = 0; i < sizeBytes; i++) {
        value |= (long) octet(offset + i) << (8 * i);
      }
      return value;
    }

    @Override
    public void write(long offsetBytes, int sizeBytes, long value) {
      int offset = (int) offsetBytes;
      if (offset < ISR_START) {
        CommonConfig.write(VirtioPci.this, offset, sizeBytes, value);
      } else if (offset >= NOTIFY_START) {
        int queue = (offset - NOTIFY_START) / NOTIFY_MULTIPLIER;
        boolean aligned = offset % NOTIFY_MULTIPLIER == 0;
        if (aligned && queue < queues.length && queues[queue].enabled() && live()) {
          function.notified(queue);
        }
      }
    }

    private int octet(int offset) {
      if (offset < ISR_START) {
        return CommonConfig.octet(VirtioPci.this, offset);
      }
      if (offset == ISR_START) {
        // Reading takes the interrupt back (VIRTIO 1.2, 4.1.4.5).
        int causes = interruptStatus;
        interruptStatus = 0;
        driveLine();
        return causes;
      }
      boolean ofDevice = offset >= DEVICE_START && offset < NOTIFY_START;
      return ofDevice ? function.configByte(offset - DEVICE_START) & 0xff : 0;
    }
  }

  /** Common configuration: see {@link CommonConfig} for where each lies. */
  int deviceFeatureSelect() {
    return deviceFeatureSelect;
  }

  void deviceFeatureSelect(int half) {
    deviceFeatureSelect = half;
  }

  int driverFeatureSelect() {
    return driverFeatureSelect;
  }

  void driverFeatureSelect(int half) {
    driverFeatureSelect = half;
  }

  int offered() {
    return half(features, deviceFeatureSelect);
  }

  int acceptedHalf() {
    return half(driverFeatures, driverFeatureSelect);
  }

  private static int half(long value, int select) {
    return switch (select) {
      case 0 -> (int) value;
      case 1 -> (int) (value >>> 32);
      default -> 0;
    };
  }

  void accept(int half) {
    if ((status & STATUS_FEATURES_OK) != 0) {
      return;
    }
    switch (driverFeatureSelect) {
      case 0 -> driverFeatures = (driverFeatures & -(1L << 32)) | Integer.toUnsignedLong(half);
      case 1 -> driverFeatures = (driverFeatures & 0xffff_ffffL) | (long) half << 32;
      default -> {
        // No features there; a driver may well write zeros.
      }
    }
  }

  int status() {
    return status;
  }

  void status(int value) {
    if (value == 0) {
      resetByDriver();
      return;
    }
    int wanted = (status & STATUS_NEEDS_RESET) | (value & STATUS_BY_DRIVER);
    boolean agreed = (driverFeatures & ~features) == 0 && (driverFeatures & FEATURE_VERSION_1) != 0;
    if (!agreed) {
      wanted &= ~STATUS_FEATURES_OK;
    }
    if ((wanted & STATUS_FEATURES_OK) == 0) {
      wanted &= ~STATUS_DRIVER_OK;
    }
    status = wanted;
  }

  private void resetByDriver() {
    status = 0;
    driverFeatures = 0;
    deviceFeatureSelect = 0;
    driverFeatureSelect = 0;
    queueSelect = 0;
    interruptStatus = 0;
    for (int i = 0; i < queues.length; i++) {
      queues[i].reset();
      function.queueLost(i);
    }
    driveLine();
  }

  int queueCount() {
    return queues.length;
  }

  int queueSelect() {
    return queueSelect;
  }

  void queueSelect(int index) {
    queueSelect = index;
  }

  /** The selected queue exists. */
  boolean queueSelected() {
    return queueSelect < queues.length;
  }

  VirtQueue selectedQueue() {
    return queues[queueSelect];
  }

  void enableSelectedQueue() {
    if (!selectedQueue().enabled() && !selectedQueue().enable()) {
      needsReset();
    }
  }

  void resetSelectedQueue() {
    if (accepted(FEATURE_RING_RESET)) {
      selectedQueue().reset();
      function.queueLost(queueSelect);
    }
  }

  static int noVector() {
    return NO_VECTOR;
  }

  /** The state after power-on. */
  void reset() {
    resetByDriver();
    config.reset();
  }

  VirtioPciState save() {
    return new VirtioPciState(
        config.save(),
        deviceFeatureSelect,
        driverFeatureSelect,
        driverFeatures,
        status,
        queueSelect,
        interruptStatus,
        Arrays.stream(queues).map(VirtQueue::save).toList());
  }

  void restore(VirtioPciState state) {
    List<VirtQueueState> saved = state.queues();
    if (saved.size() != queues.length) {
      throw new IllegalArgumentException("virtio: " + saved.size() + " queues");
    }
    for (int i = 0; i < queues.length; i++) {
      queues[i].restore(saved.get(i));
    }
    deviceFeatureSelect = state.deviceFeatureSelect();
    driverFeatureSelect = state.driverFeatureSelect();
    driverFeatures = state.driverFeatures();
    status = state.status();
    queueSelect = state.queueSelect();
    interruptStatus = state.interruptStatus();
    // Drives the line and attaches the window.
    config.restore(state.config());
  }
}
