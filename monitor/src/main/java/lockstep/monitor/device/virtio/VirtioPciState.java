package lockstep.monitor.device.virtio;

import java.util.List;
import lockstep.monitor.device.PciConfigState;
import lockstep.monitor.state.DeviceState;

/**
 * The virtio-pci transport.
 *
 * @param config configuration space
 * @param deviceFeatureSelect which half of the device's features shows
 * @param driverFeatureSelect which half of the driver's features shows
 * @param driverFeatures what the driver accepted
 * @param status the device status, 0..255
 * @param queueSelect which queue's registers show, 0..65535
 * @param interruptStatus bit 0: a used ring changed; bit 1: the configuration did
 * @param queues all of them
 */
public record VirtioPciState(
    PciConfigState config,
    int deviceFeatureSelect,
    int driverFeatureSelect,
    long driverFeatures,
    int status,
    int queueSelect,
    int interruptStatus,
    List<VirtQueueState> queues)
    implements DeviceState {
  /** Checks every range and copies. */
  public VirtioPciState {
    if ((status & ~0xff) != 0 || (queueSelect & ~0xffff) != 0 || (interruptStatus & ~3) != 0) {
      throw new IllegalArgumentException(
          "virtio: status %d, queue %d, interrupt status %d"
              .formatted(status, queueSelect, interruptStatus));
    }
    queues = List.copyOf(queues);
  }
}
