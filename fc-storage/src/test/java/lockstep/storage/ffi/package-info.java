/** Checks of what we believe about C libraries. */
@NullMarked
package lockstep.storage.ffi;

import org.jspecify.annotations.NullMarked;
