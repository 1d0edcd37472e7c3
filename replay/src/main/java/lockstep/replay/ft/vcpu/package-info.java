/**
 * The thread of a machine whose role changes between two runs, and all that other threads may ask
 * of it. Used by a plain run as well.
 *
 * <p>Owning thread: {@code vcpu-0}; commands come from any thread. May import: monitor,
 * monitor.block, monitor.input, monitor.output, monitor.state, monitor.vcpu, sys. Start reading at
 * {@link lockstep.replay.ft.vcpu.VcpuCommands}.
 */
@NullMarked
package lockstep.replay.ft.vcpu;

import org.jspecify.annotations.NullMarked;
