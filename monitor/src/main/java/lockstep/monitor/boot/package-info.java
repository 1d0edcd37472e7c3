/**
 * What turns the bytes of a kernel file into a machine that is ready to run: Linux (bzImage and ELF
 * vmlinux), Multiboot 1 kernels and flat 16-bit images, and the rewriting of RDTSC, RDTSCP and
 * CPUID in kernel text.
 *
 * <p>Everything here is a pure function of file bytes and a {@link
 * lockstep.monitor.boot.BootConfig}: the same input gives the same memory content and the same
 * registers, on any host. Any input, also a hostile one, gives a {@link
 * lockstep.monitor.boot.BootImage} or a {@link lockstep.monitor.boot.BootException}.
 *
 * <p>Owning thread: any; nothing is shared. May import: monitor.state. Start reading at {@link
 * lockstep.monitor.boot.BootImages}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.boot;
