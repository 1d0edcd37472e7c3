/**
 * Tests of the KVM objects on the real /dev/kvm. Owning thread: the test's. May import: lockstep.*
 * of this module. Start reading at VcpuRunTest.
 */
@org.jspecify.annotations.NullMarked
package lockstep.kvm;
