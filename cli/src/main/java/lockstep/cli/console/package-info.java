/**
 * The guest's console here: on this process's terminal, and for terminals that are attached.
 *
 * <p>Owning thread: {@code console-in} and {@code console-out} here; {@link
 * lockstep.cli.console.ConsoleHub} is for any thread. May import: cli.common, monitor.host,
 * monitor.input, monitor.output, monitor.state, sys. Start reading at {@link
 * lockstep.cli.console.ConsoleHub}.
 */
@NullMarked
package lockstep.cli.console;

import org.jspecify.annotations.NullMarked;
