/**
 * The command {@code lockstep}: finds the command that its arguments name and runs it. This is the
 * top: commands do not see it.
 *
 * <p>Owning thread: main. May import: cli.bench, cli.common, cli.demo, cli.disk, cli.doctor,
 * cli.pair, cli.process, cli.run, cli.vm, monitor.boot, sys. Start reading at {@link
 * lockstep.cli.Main}.
 */
@NullMarked
package lockstep.cli;

import org.jspecify.annotations.NullMarked;
