/**
 * Recording: an InputSource that takes live inputs, applies them only at execution points that a
 * replay can find again, and writes all of it to the log.
 *
 * <p>Owning thread: {@code vcpu-0}. May import: monitor, monitor.block, monitor.input,
 * monitor.output, monitor.state, monitor.vcpu, replay.log, replay.placement, sys. Start reading at
 * {@link lockstep.replay.record.Recorder}.
 */
@NullMarked
package lockstep.replay.record;

import org.jspecify.annotations.NullMarked;
