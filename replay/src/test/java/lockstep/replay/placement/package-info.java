/**
 * Tests of placement counter over a synthetic instruction stream. Owning thread: the test's. May
 * import: what the main code may. Start reading at {@link
 * lockstep.replay.placement.CounterSearchTest}.
 */
@NullMarked
package lockstep.replay.placement;

import org.jspecify.annotations.NullMarked;
