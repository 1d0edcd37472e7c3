/**
 * The vCPU loop: enters the guest, handles its exits, and does at every stop what the InputSource
 * says. One loop for every role.
 *
 * <p>Owning thread: {@code vcpu-0}, which owns the vCPU descriptor, kvm_run, writes to guest memory
 * and all device state. Other threads wake it through {@link lockstep.monitor.vcpu.VcpuHandle} and
 * use nothing else here. May import: kvm, monitor.bus, monitor.input, monitor.quirk, monitor.state,
 * sys, uapi. Start reading at {@code VcpuLoop}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.vcpu;
