/**
 * The Output Rule (VM-FT, section 2.2): outputs wait until the backup has acknowledged the log up
 * to them, and then leave to the console and the disk.
 *
 * <p>Owning thread: {@code console-gate} and {@code disk-gate} carry outputs; the gate takes calls
 * from any thread. May import: monitor.block, monitor.output, replay.ft.protocol, sys. Start
 * reading at {@link lockstep.replay.ft.output.OutputGate}.
 */
@NullMarked
package lockstep.replay.ft.output;

import org.jspecify.annotations.NullMarked;
