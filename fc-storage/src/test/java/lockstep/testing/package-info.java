/**
 * Support for tests that need an iSCSI target, for this module and those above it (test-jar of
 * fc-storage); the rest of this package is in kvm-bindings.
 *
 * <p>Owning thread: the test's. May import: lockstep.storage.iscsi, JUnit. Start reading at {@link
 * lockstep.testing.Tgtd}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.testing;
