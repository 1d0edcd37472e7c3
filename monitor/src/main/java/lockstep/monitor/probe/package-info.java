/**
 * Small guests that find out what this host's KVM honours: each runs a few instructions and says
 * what it saw. Their answers switch quirks on and fill the table of {@code lockstep doctor}.
 *
 * <p>Owning thread: the caller's; each probe has a VM of its own. May import: kvm, monitor.host,
 * monitor.quirk, sys, uapi. Start reading at {@link lockstep.monitor.probe.ProbeGuest}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.probe;
