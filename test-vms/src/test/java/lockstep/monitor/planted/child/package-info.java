/** Half of a planted cycle between packages; see lockstep.guards. */
@NullMarked
package lockstep.monitor.planted.child;

import org.jspecify.annotations.NullMarked;
