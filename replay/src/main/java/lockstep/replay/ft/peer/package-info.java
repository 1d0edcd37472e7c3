/**
 * The connection to the other side, as a port that lockstep.replay.channel implements, and the loop
 * that it runs on: which connection is that of the pair, and what ends the process when the loop
 * fails.
 *
 * <p>Owning thread: {@code peer-loop}. May import: monitor.state, replay.ft.protocol, replay.log,
 * sys. Start reading at {@link lockstep.replay.ft.peer.PeerEndpoint}.
 */
@NullMarked
package lockstep.replay.ft.peer;

import org.jspecify.annotations.NullMarked;
