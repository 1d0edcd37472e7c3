/**
 * Fault tolerance (VM-FT, sections 2.2 to 2.4): the Output Rule, failure detection, arbitration and
 * going live. What decides is pure: it is told what happened and when, and says what to do, so that
 * a simulation can run it unchanged.
 *
 * <p>Owning thread: said by each class. May import: kvm, monitor, monitor.block, monitor.host,
 * monitor.input, monitor.output, monitor.probe, monitor.snapshot, monitor.state, monitor.vcpu,
 * replay.log, replay.playback, replay.record, sys. Start reading at {@link
 * lockstep.replay.ft.FtSession}.
 */
@NullMarked
package lockstep.replay.ft;

import org.jspecify.annotations.NullMarked;
