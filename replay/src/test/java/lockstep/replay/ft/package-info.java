/** Tests of the two sides of a pair: simulation, gate, codec. */
@NullMarked
package lockstep.replay.ft;

import org.jspecify.annotations.NullMarked;
