@NullMarked
package lockstep.replay.ft.disk;

import org.jspecify.annotations.NullMarked;
