/**
 * A running VM by its name: the commands that ask it, what answers them in its process, and its
 * status as metrics (docs/control.md).
 *
 * <p>Owning thread: main in the commands that ask; any thread in the VM's process. May import:
 * cli.common, cli.console, cli.control, monitor.host, monitor.input, sys. Start reading at {@link
 * lockstep.cli.vm.VmControl}.
 */
@NullMarked
package lockstep.cli.vm;

import org.jspecify.annotations.NullMarked;
