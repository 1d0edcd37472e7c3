package lockstep.monitor.device.virtio;

import lockstep.monitor.state.DeviceState;

/**
 * A piece of guest RAM that a device will write to.
 *
 * @param address guest-physical
 * @param lengthBytes 1 or more
 */
public record GuestBuffer(long address, long lengthBytes) implements DeviceState {
  /** Checks the range; whether it is RAM depends on the machine. */
  public GuestBuffer {
    if (address < 0 || lengthBytes < 1 || address > Long.MAX_VALUE - lengthBytes) {
      throw new IllegalArgumentException(
          "virtio: a buffer of %d bytes at 0x%x".formatted(lengthBytes, address));
    }
  }
}
