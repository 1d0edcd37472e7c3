/**
 * {@code lockstep bench}: what Lockstep costs beside a program in C, fio, QEMU or bare TCP on the
 * same host. No other command sees it.
 *
 * <p>Owning thread: main. May import: cli.common, cli.control, cli.disk, cli.guest, cli.process,
 * cli.run, cli.vm, kvm, monitor, monitor.block, monitor.boot, monitor.input, monitor.output,
 * monitor.probe, monitor.quirk, monitor.state, monitor.vcpu, replay.log, replay.placement,
 * replay.playback, replay.record, storage, storage.iscsi, sys. Start reading at {@link
 * lockstep.cli.bench.BenchCommand}.
 */
@NullMarked
package lockstep.cli.bench;

import org.jspecify.annotations.NullMarked;
