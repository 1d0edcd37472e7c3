/**
 * The primary's half of replication: copies the state of the running machine to the backup
 * (pre-copy), then records it and sends the log, as fast as the backup replays it.
 *
 * <p>Owning thread: {@code vcpu-0}; {@code state} copies memory. May import:
 * lockstep.replay.ft.output, lockstep.replay.ft.peer, lockstep.replay.ft.vcpu, lockstep.replay.log,
 * lockstep.replay.record, lockstep.monitor, lockstep.sys. Start reading at {@link
 * lockstep.replay.ft.primary.StateReplication}.
 */
@NullMarked
package lockstep.replay.ft.primary;

import org.jspecify.annotations.NullMarked;
