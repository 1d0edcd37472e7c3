/**
 * Tests of the recorder without a machine. Owning thread: the test's. May import: what the main
 * code may. Start reading at {@link lockstep.replay.record.CounterRecorderTest}.
 */
@NullMarked
package lockstep.replay.record;

import org.jspecify.annotations.NullMarked;
