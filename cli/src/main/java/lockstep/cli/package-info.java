/**
 * The commands: options, messages, exit codes, and the composition root that plugs InputSource and
 * OutputSink into a machine.
 *
 * <p>Owning thread: main. May import: everything. Start reading at {@link lockstep.cli.Main}.
 */
@NullMarked
package lockstep.cli;

import org.jspecify.annotations.NullMarked;
