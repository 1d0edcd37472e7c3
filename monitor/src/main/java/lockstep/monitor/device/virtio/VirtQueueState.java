package lockstep.monitor.device.virtio;

import lockstep.monitor.state.DeviceState;

/**
 * A split virtqueue.
 *
 * @param size how many descriptors, as the driver has set it
 * @param enabled the device may use it
 * @param descriptors guest-physical address of the descriptor table
 * @param driverArea of the available ring
 * @param deviceArea of the used ring
 * @param taken how many chains the device has taken, modulo 65,536
 * @param returned how many it has given back, modulo 65,536
 */
public record VirtQueueState(
    int size,
    boolean enabled,
    long descriptors,
    long driverArea,
    long deviceArea,
    int taken,
    int returned)
    implements DeviceState {
  /** Checks every range. */
  public VirtQueueState {
    if (((size | taken | returned) & ~0xffff) != 0) {
      throw new IllegalArgumentException(
          "virtio: queue size %d, taken %d, returned %d, not all 0..65535"
              .formatted(size, taken, returned));
    }
  }
}
