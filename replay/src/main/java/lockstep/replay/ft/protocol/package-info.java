/**
 * The protocol of a pair, pure: failure detection, arbitration, going live, the messages and their
 * bytes. It is told what happened and when, and says what to do. It knows no thread, clock, socket
 * or machine, so that a simulation runs it unchanged.
 *
 * <p>Owning thread: one, which each class is told on; at work {@code peer-loop}. May import:
 * monitor.state, replay.ft.disk, replay.log. Start reading at {@link
 * lockstep.replay.ft.protocol.FtSession}.
 */
@NullMarked
package lockstep.replay.ft.protocol;

import org.jspecify.annotations.NullMarked;
