/** Tests of disks and of who may have them. */
@NullMarked
package lockstep.storage;

import org.jspecify.annotations.NullMarked;
