/**
 * The machine: vCPU, memory, buses and devices put together from one configuration and one layout
 * table.
 *
 * <p>Owning thread: built by any one thread, then owned by {@code vcpu-0}. May import: kvm,
 * monitor.block, monitor.boot, monitor.bus, monitor.device, monitor.device.virtio, monitor.input,
 * monitor.output, monitor.quirk, monitor.snapshot, monitor.state, monitor.vcpu, sys. Start reading
 * at {@link lockstep.monitor.Machine}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor;
