package lockstep.monitor.device.virtio;

import lockstep.monitor.bus.DmaMemory;

/**
 * A split virtqueue from the device's side (VIRTIO 1.2, 2.7): takes chains from the available ring,
 * gives them back on the used ring. The rings are the guest's memory: every number read from there
 * is checked. While the device runs the guest does not, so rings stand still during a call.
 */
final class VirtQueue {
  /** {@link #take}: nothing is available. */
  static final int NONE = -1;

  /** {@link #take}: what is available makes no sense. */
  static final int BROKEN = -2;

  private static final int RING_INDEX = 2;
  private static final int RING_START = 4;
  private static final int AVAILABLE_ENTRY_BYTES = 2;
  private static final int USED_ENTRY_BYTES = 8;
  private static final int RING_EXTRA_BYTES = 6;
  private static final int NO_INTERRUPT = 1;

  private final DmaMemory ram;
  private final int maxSize;
  private int size;
  private boolean enabled;
  private long descriptors;
  private long driverArea;
  private long deviceArea;
  private int taken;
  private int returned;

  /**
   * A queue as after a reset.
   *
   * @param maxSize descriptors at most, a power of two up to {@link
   *     DescriptorChain#MAX_DESCRIPTORS}
   */
  VirtQueue(DmaMemory ram, int maxSize) {
    this.ram = ram;
    this.maxSize = maxSize;
    this.size = maxSize;
  }

  int size() {
    return size;
  }

  boolean enabled() {
    return enabled;
  }

  long descriptors() {
    return descriptors;
  }

  long driverArea() {
    return driverArea;
  }

  long deviceArea() {
    return deviceArea;
  }

  /** Any number: {@link #enable} looks at it. While disabled only. */
  void size(int newSize) {
    size = newSize & 0xffff;
  }

  void descriptors(long address) {
    descriptors = address;
  }

  void driverArea(long address) {
    driverArea = address;
  }

  void deviceArea(long address) {
    deviceArea = address;
  }

  /** Checks size, alignment and addresses; false when the queue cannot be. */
  boolean enable() {
    enabled = isPossible();
    return enabled;
  }

  private boolean isPossible() {
    return size >= 1
        && size <= maxSize
        && Integer.bitCount(size) == 1
        && isArea(descriptors, 16, size * DescriptorChain.DESCRIPTOR_BYTES)
        && isArea(driverArea, 2, RING_EXTRA_BYTES + size * AVAILABLE_ENTRY_BYTES)
        && isArea(deviceArea, 4, RING_EXTRA_BYTES + size * USED_ENTRY_BYTES);
  }

  private boolean isArea(long address, int alignment, int lengthBytes) {
    return address % alignment == 0 && ram.contains(address, lengthBytes);
  }

  /**
   * Takes the next chain.
   *
   * @param chain filled with it
   * @return its head, which {@link #give} wants; {@link #NONE} or {@link #BROKEN}
   */
  int take(DescriptorChain chain, boolean indirectAllowed) {
    int available = (ram.readShort(driverArea + RING_INDEX) - taken) & 0xffff;
    if (available == 0) {
      return NONE;
    }
    if (available > size) {
      return BROKEN;
    }
    long entry = driverArea + RING_START + (long) AVAILABLE_ENTRY_BYTES * (taken & (size - 1));
    int head = ram.readShort(entry);
    if (head >= size || !chain.load(descriptors, size, head, indirectAllowed)) {
      return BROKEN;
    }
    taken = (taken + 1) & 0xffff;
    return head;
  }

  /**
   * Gives a chain back.
   *
   * @param writtenBytes how many the device wrote, from the first writable byte on
   * @return whether the driver wants an interrupt
   */
  boolean give(int head, long writtenBytes) {
    long entry = deviceArea + RING_START + (long) USED_ENTRY_BYTES * (returned & (size - 1));
    ram.writeInt(entry, head);
    ram.writeInt(entry + Integer.BYTES, (int) writtenBytes);
    returned = (returned + 1) & 0xffff;
    ram.writeShort(deviceArea + RING_INDEX, returned);
    return (ram.readShort(driverArea) & NO_INTERRUPT) == 0;
  }

  void reset() {
    size = maxSize;
    enabled = false;
    descriptors = 0;
    driverArea = 0;
    deviceArea = 0;
    taken = 0;
    returned = 0;
  }

  VirtQueueState save() {
    return new VirtQueueState(size, enabled, descriptors, driverArea, deviceArea, taken, returned);
  }

  void restore(VirtQueueState state) {
    size = state.size();
    descriptors = state.descriptors();
    driverArea = state.driverArea();
    deviceArea = state.deviceArea();
    taken = state.taken();
    returned = state.returned();
    enabled = state.enabled();
    if (enabled && !isPossible()) {
      throw new IllegalArgumentException("virtio: no such queue: " + state);
    }
  }
}
