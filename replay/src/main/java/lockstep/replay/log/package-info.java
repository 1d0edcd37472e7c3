/**
 * The log: what a recorded machine took in from outside, in order, and the digests that prove that
 * a replay did the same. {@link lockstep.replay.log.LogEntry} is the closed set of entries; {@code
 * docs/log-format.md} has the bytes.
 *
 * <p>Owning thread: a sink or source belongs to the thread that runs the machine. May import:
 * monitor, monitor.block, monitor.input, monitor.state, monitor.vcpu, sys. Start reading at {@link
 * lockstep.replay.log.LogEntry}.
 */
@NullMarked
package lockstep.replay.log;

import org.jspecify.annotations.NullMarked;
