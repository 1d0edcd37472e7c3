/**
 * Machines without a backup: {@code run}, {@code record}, {@code replay} and {@code log}; where a
 * run begins and how it is saved, for pairs too.
 *
 * <p>Owning thread: main starts a run and waits; {@code vcpu-0} executes it. May import:
 * cli.common, cli.console, cli.control, cli.disk, cli.guest, cli.vm, kvm, monitor, monitor.block,
 * monitor.boot, monitor.host, monitor.input, monitor.output, monitor.probe, monitor.quirk,
 * monitor.snapshot, monitor.state, monitor.vcpu, replay.ft, replay.ft.vcpu, replay.log,
 * replay.placement, replay.playback, replay.record, sys. Start reading at {@link
 * lockstep.cli.run.LocalRun}.
 */
@NullMarked
package lockstep.cli.run;

import org.jspecify.annotations.NullMarked;
