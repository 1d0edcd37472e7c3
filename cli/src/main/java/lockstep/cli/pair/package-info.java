/**
 * The two sides of a pair: {@code primary}, {@code backup}, and the identities that {@code pair
 * init} makes.
 *
 * <p>Owning thread: main starts a side and waits; the threads of a side are those of
 * lockstep.replay.ft. May import: cli.common, cli.console, cli.control, cli.disk, cli.run, cli.vm,
 * kvm, monitor, monitor.block, monitor.host, monitor.input, monitor.vcpu, replay.channel,
 * replay.ft, replay.ft.backup, replay.ft.disk, replay.ft.output, replay.ft.primary,
 * replay.ft.protocol, replay.ft.vcpu, replay.record, storage, storage.scsi, sys. Start reading at
 * {@link lockstep.cli.pair.PairRun}.
 */
@NullMarked
package lockstep.cli.pair;

import org.jspecify.annotations.NullMarked;
