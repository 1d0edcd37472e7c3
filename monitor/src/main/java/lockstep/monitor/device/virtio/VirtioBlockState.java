package lockstep.monitor.device.virtio;

import java.util.List;
import lockstep.monitor.state.DeviceState;

/**
 * The disk.
 *
 * @param transport virtio-pci
 * @param nextId the number of the next request
 * @param requests those that have not completed, by ascending number
 */
public record VirtioBlockState(
    VirtioPciState transport, long nextId, List<DiskRequestState> requests) implements DeviceState {
  /** Checks the numbers and copies. */
  public VirtioBlockState {
    requests = List.copyOf(requests);
    long previous = -1;
    for (DiskRequestState request : requests) {
      if (request.id() <= previous || request.id() >= nextId) {
        throw new IllegalArgumentException(
            "virtio: disk request %d after %d, next is %d"
                .formatted(request.id(), previous, nextId));
      }
      previous = request.id();
    }
  }
}
