/**
 * The lab: a second, stock KVM. Debian's cloud kernel with its own kvm-amd module runs under QEMU's
 * emulation of an AMD processor, and in it a small Java runtime runs Lockstep or its tests. What
 * passes here and on the build machine's KVM does not hang on the habits of one of them.
 *
 * <p>Owning thread: the caller's; one reader thread for the console of each host. May import:
 * nothing. Start reading at {@link lockstep.testvms.lab.HostLab}.
 */
@NullMarked
package lockstep.testvms.lab;

import org.jspecify.annotations.NullMarked;
