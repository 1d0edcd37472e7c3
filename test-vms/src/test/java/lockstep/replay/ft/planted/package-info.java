/** Planted violations of the rules for the package above; see lockstep.guards. */
@NullMarked
package lockstep.replay.ft.planted;

import org.jspecify.annotations.NullMarked;
