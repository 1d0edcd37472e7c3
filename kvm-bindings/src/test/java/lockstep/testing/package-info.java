/**
 * Support for tests that need /dev/kvm, a loop device or a mount, for all modules (test-jar of
 * kvm-bindings).
 *
 * <p>Owning thread: the test's. May import: lockstep.kvm, lockstep.sys, lockstep.uapi, JUnit. Start
 * reading at {@link lockstep.testing.KvmRequired}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.testing;
