/**
 * Replaying: an InputSource that feeds a machine from a log, checks that it does what the recorded
 * one did, and names the first difference.
 *
 * <p>Owning thread: {@code vcpu-0}. May import: kvm, monitor, monitor.block, monitor.input,
 * monitor.output, monitor.state, monitor.vcpu, replay.log, replay.placement, sys. Start reading at
 * {@link lockstep.replay.playback.Replayer}.
 */
@NullMarked
package lockstep.replay.playback;

import org.jspecify.annotations.NullMarked;
