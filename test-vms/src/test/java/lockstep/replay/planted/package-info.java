/**
 * Planted violations of the rules for the package above; see lockstep.guards. This page is one: its
 * code uses storage and not what it lists. May import: monitor.state.
 */
@NullMarked
package lockstep.replay.planted;

import org.jspecify.annotations.NullMarked;
