/**
 * What one KVM does differently, in one place: switched on by probing, invisible to devices and to
 * replay. On a KVM that honours the architecture every quirk is off and this package does nothing.
 *
 * <p>Owning thread: {@code vcpu-0} once the machine runs. May import: kvm, monitor.bus, sys, uapi.
 * Start reading at {@code Quirks}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.quirk;
