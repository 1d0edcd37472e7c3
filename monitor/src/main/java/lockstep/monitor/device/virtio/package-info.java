/**
 * VirtIO devices behind virtio-pci, as pure state machines: {@code VirtQueue} and {@code
 * DescriptorChain} read what the driver offers, {@code VirtioPci} is the transport, {@code
 * VirtioBlock} the disk. Nothing that a guest writes makes them throw: what makes no sense sets
 * DEVICE_NEEDS_RESET. Source: Virtual I/O Device (VIRTIO) Version 1.2, OASIS.
 *
 * <p>Owning thread: {@code vcpu-0}. May import: monitor.block, monitor.bus, monitor.device,
 * monitor.input, monitor.state. Start reading at {@code VirtioBlock}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.device.virtio;
