/**
 * The primary's half of replication: copies the state of the running machine to the backup
 * (pre-copy), then records it and sends the log, as fast as the backup replays it.
 *
 * <p>Owning thread: {@code vcpu-0}; {@code state} copies memory. May import: monitor,
 * monitor.block, monitor.input, monitor.output, monitor.snapshot, monitor.vcpu, replay.ft.output,
 * replay.ft.peer, replay.ft.vcpu, replay.log, replay.record, sys. Start reading at {@link
 * lockstep.replay.ft.primary.StateReplication}.
 */
@NullMarked
package lockstep.replay.ft.primary;

import org.jspecify.annotations.NullMarked;
