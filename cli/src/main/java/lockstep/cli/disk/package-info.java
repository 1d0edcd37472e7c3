/**
 * The guest's disk on the command line: {@code --disk}, and {@code lockstep disk}.
 *
 * <p>Owning thread: main; {@link lockstep.cli.disk.HeldDisk} is for any thread. May import:
 * cli.common, monitor, monitor.block, monitor.vcpu, replay.ft.disk, storage, storage.iscsi,
 * storage.scsi. Start reading at {@link lockstep.cli.disk.DiskOption}.
 */
@NullMarked
package lockstep.cli.disk;

import org.jspecify.annotations.NullMarked;
