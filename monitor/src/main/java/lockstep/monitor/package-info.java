/**
 * The machine: vCPU, memory, buses and devices put together from one configuration and one layout
 * table.
 *
 * <p>Owning thread: built by any one thread, then owned by {@code vcpu-0}. May import: everything
 * below lockstep.monitor, lockstep.kvm. Start reading at {@link lockstep.monitor.Machine}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor;
