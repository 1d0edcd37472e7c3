@NullMarked
package lockstep.replay.ft.protocol;

import org.jspecify.annotations.NullMarked;
