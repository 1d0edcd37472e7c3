/**
 * KVM as objects: {@code Kvm} opens the device, {@code VmFd} is a virtual machine, {@code VcpuFd} a
 * virtual CPU, {@code GuestMemory} its RAM.
 *
 * <p>Owning thread: a VcpuFd belongs to the thread that runs it, {@code VcpuKick} is for all
 * others. May import: sys, uapi. Start reading at {@link lockstep.kvm.Kvm}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.kvm;
