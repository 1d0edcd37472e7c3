/** Pairs in the simulation of {@code replay}, over the real arbiters and modelled storage. */
@NullMarked
package lockstep.replay.ft;

import org.jspecify.annotations.NullMarked;
