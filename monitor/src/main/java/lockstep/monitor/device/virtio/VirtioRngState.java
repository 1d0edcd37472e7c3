package lockstep.monitor.device.virtio;

import lockstep.monitor.state.DeviceState;

/**
 * The entropy device: no buffer outlives its notification.
 *
 * @param transport virtio-pci
 */
public record VirtioRngState(VirtioPciState transport) implements DeviceState {}
