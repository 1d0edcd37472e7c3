@NullMarked
package lockstep.replay.ft.output;

import org.jspecify.annotations.NullMarked;
