@NullMarked
package lockstep.replay.ft.primary;

import org.jspecify.annotations.NullMarked;
