/**
 * Processes of this program, started by a demonstration, a benchmark or a test, and what they need
 * on this host.
 *
 * <p>Owning thread: the caller's; a thread for each process reads its output. May import: nothing.
 * Start reading at {@link lockstep.cli.process.PairSide}.
 */
@NullMarked
package lockstep.cli.process;

import org.jspecify.annotations.NullMarked;
