@NullMarked
package lockstep.replay.ft.peer;

import org.jspecify.annotations.NullMarked;
