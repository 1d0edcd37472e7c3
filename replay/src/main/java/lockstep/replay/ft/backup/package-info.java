/**
 * The backup's half of replication: takes in the state and the log of a primary, replays it, and
 * makes live inputs of the end of the log.
 *
 * <p>Owning thread: {@code peer-loop} takes in, {@code vcpu-0} replays. May import:
 * lockstep.replay.ft.disk, lockstep.replay.ft.output, lockstep.replay.ft.peer,
 * lockstep.replay.ft.protocol, lockstep.replay.ft.vcpu, lockstep.replay.log,
 * lockstep.replay.playback, lockstep.monitor, lockstep.kvm, lockstep.sys. Start reading at {@link
 * lockstep.replay.ft.backup.BackupReplay}.
 */
@NullMarked
package lockstep.replay.ft.backup;

import org.jspecify.annotations.NullMarked;
