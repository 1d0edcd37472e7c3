@NullMarked
package lockstep.replay.log;

import org.jspecify.annotations.NullMarked;
