/** Planted violations of the rules for replay; see lockstep.guards. */
@NullMarked
package lockstep.replay.planted.one;

import org.jspecify.annotations.NullMarked;
