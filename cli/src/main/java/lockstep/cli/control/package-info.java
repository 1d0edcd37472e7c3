/**
 * The control socket of a running VM: one Unix socket per VM, one JSON object per line each way
 * (docs/control.md).
 *
 * <p>Owning thread: {@code control} accepts; every connection has a virtual thread. May import:
 * nothing. Start reading at {@link lockstep.cli.control.ControlServer}.
 */
@NullMarked
package lockstep.cli.control;

import org.jspecify.annotations.NullMarked;
