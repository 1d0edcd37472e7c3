/**
 * How the whole state of a machine becomes a stream of bytes and comes back: a header, checked
 * sections, and guest memory in compressed chunks. The same bytes make a snapshot file, the
 * beginning of a log, and a state transfer (docs/snapshot-format.md). What the sections mean is the
 * matter of {@code lockstep.monitor.Snapshot}.
 *
 * <p>Owning thread: the machine's, which is {@code vcpu-0} once it has run. May import: kvm. Start
 * reading at {@code SectionWriter}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.snapshot;
