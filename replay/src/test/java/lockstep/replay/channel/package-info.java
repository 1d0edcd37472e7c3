/** Tests of the connection between two sides, on real sockets. */
@NullMarked
package lockstep.replay.channel;

import org.jspecify.annotations.NullMarked;
