/** Tests of the two sides of a pair: the simulation, and the node in it. */
@NullMarked
package lockstep.replay.ft;

import org.jspecify.annotations.NullMarked;
