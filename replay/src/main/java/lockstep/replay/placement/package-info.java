/**
 * Placement counter: naming a point between guest exits by a count of the guest's own instructions,
 * and finding it again (DESIGN: placement). Unverified on hardware: no machine that this was built
 * on has a PMU; the tests use a counter that is simulated by single steps.
 *
 * <p>Owning thread: {@code vcpu-0}. May import: kvm, monitor.input, replay.log, sys. Start reading
 * at {@link lockstep.replay.placement.CounterSearch}.
 */
@NullMarked
package lockstep.replay.placement;

import org.jspecify.annotations.NullMarked;
