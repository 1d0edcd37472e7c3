/**
 * Fault tolerance (VM-FT, sections 2.2 to 2.4): one side of a pair put together. The node gives the
 * protocol its thread, clock, connection and disk; the VM gives a machine the role that the
 * protocol says. The packages below hold the parts and know nothing of this one.
 *
 * <p>Owning thread: named by each class. May import: monitor, monitor.block, monitor.host,
 * monitor.input, monitor.vcpu, replay.ft.backup, replay.ft.disk, replay.ft.output, replay.ft.peer,
 * replay.ft.primary, replay.ft.protocol, replay.ft.vcpu, replay.log, replay.record, sys. Start
 * reading at {@link lockstep.replay.ft.FtNode}.
 */
@NullMarked
package lockstep.replay.ft;

import org.jspecify.annotations.NullMarked;
