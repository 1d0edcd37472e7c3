/**
 * Tests of the replayer with a vCPU that stands where the test says. Owning thread: the test's. May
 * import: what the main code may. Start reading at {@link
 * lockstep.replay.playback.CounterReplayerTest}.
 */
@NullMarked
package lockstep.replay.playback;

import org.jspecify.annotations.NullMarked;
