/**
 * The shared disk as a pair needs it: the test-and-set that decides which side continues, which
 * storage implements, and who claims it.
 *
 * <p>Owning thread: named by each class. May import: monitor.block, monitor.output. Start reading
 * at {@link lockstep.replay.ft.disk.Arbiter}.
 */
@NullMarked
package lockstep.replay.ft.disk;

import org.jspecify.annotations.NullMarked;
