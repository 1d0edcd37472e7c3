/**
 * The shared disk: backends of the block port, and who may have the disk.
 *
 * <p>Owning thread: said by each class. May import: monitor.block, monitor.state, replay.ft.disk,
 * storage.ffi.disk, storage.iscsi, storage.lease, storage.scsi, sys, uapi. Start reading at {@link
 * lockstep.storage.FileLease}.
 */
@NullMarked
package lockstep.storage;

import org.jspecify.annotations.NullMarked;
