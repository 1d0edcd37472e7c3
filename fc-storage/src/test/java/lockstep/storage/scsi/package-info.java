/** Tests of SCSI without a device. */
@NullMarked
package lockstep.storage.scsi;

import org.jspecify.annotations.NullMarked;
