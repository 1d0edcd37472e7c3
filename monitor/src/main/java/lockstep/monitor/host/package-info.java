/**
 * Host side of timers and consoles: these classes own their I/O threads and hand over to the vCPU
 * thread through the InputQueue and a kick, never otherwise.
 *
 * <p>Owning threads: each class names its own. May import: monitor.block, monitor.input,
 * monitor.output, monitor.state, sys. Start reading at {@code KickTimer}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.host;
