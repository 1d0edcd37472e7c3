/** iSCSI disks on a real target, Debian's tgtd, that each test starts for itself. */
@NullMarked
package lockstep.storage.iscsi;

import org.jspecify.annotations.NullMarked;
