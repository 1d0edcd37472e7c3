/**
 * The backup's half of replication: takes in the state and the log of a primary, replays it, and
 * makes live inputs of the end of the log.
 *
 * <p>Owning thread: {@code peer-loop} takes in, {@code vcpu-0} replays. May import: kvm, monitor,
 * monitor.block, monitor.input, monitor.output, monitor.probe, monitor.snapshot, monitor.vcpu,
 * replay.ft.disk, replay.ft.output, replay.ft.peer, replay.ft.protocol, replay.ft.vcpu, replay.log,
 * replay.playback, sys. Start reading at {@link lockstep.replay.ft.backup.BackupReplay}.
 */
@NullMarked
package lockstep.replay.ft.backup;

import org.jspecify.annotations.NullMarked;
