/**
 * Disks on iSCSI targets: a session that stands for one I_T nexus through every reconnect, and a
 * disk on top of it.
 *
 * <p>Owning thread: a session's loop thread, {@code iscsi-HOST}, owns its connection. May import:
 * lockstep.monitor.block, lockstep.monitor.state, lockstep.storage.scsi, lockstep.storage.ffi,
 * lockstep.sys. Start reading at {@link lockstep.storage.iscsi.IscsiSession}.
 */
@NullMarked
package lockstep.storage.iscsi;

import org.jspecify.annotations.NullMarked;
