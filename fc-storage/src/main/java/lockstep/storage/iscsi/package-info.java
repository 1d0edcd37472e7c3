/**
 * Disks on iSCSI targets: a session that stands for one I_T nexus through every reconnect, and a
 * disk on top of it.
 *
 * <p>Owning thread: a session's loop thread, {@code iscsi-HOST}, owns its connection. May import:
 * monitor.block, monitor.state, storage.ffi, storage.scsi, sys, uapi. Start reading at {@link
 * lockstep.storage.iscsi.IscsiSession}.
 */
@NullMarked
package lockstep.storage.iscsi;

import org.jspecify.annotations.NullMarked;
