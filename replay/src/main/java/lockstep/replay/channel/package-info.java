/**
 * The connection between the two sides of a pair: framing, heartbeats, TLS, on Netty. What is said
 * is {@link lockstep.replay.ft.protocol.PeerMessage}; what it means, the session's matter.
 *
 * <p>Owning thread: one loop thread for all connections of a process. May import: monitor.state,
 * replay.ft.peer, replay.ft.protocol, sys, uapi. Start reading at {@link
 * lockstep.replay.channel.PeerNetwork}.
 */
@NullMarked
package lockstep.replay.channel;

import org.jspecify.annotations.NullMarked;
