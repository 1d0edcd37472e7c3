/**
 * {@code lockstep demo}: a failover on one machine, with a witness outside of both sides.
 *
 * <p>Owning thread: main. May import: cli.common, cli.control, cli.guest, cli.process, storage.
 * Start reading at {@link lockstep.cli.demo.DemoCommand}.
 */
@NullMarked
package lockstep.cli.demo;

import org.jspecify.annotations.NullMarked;
