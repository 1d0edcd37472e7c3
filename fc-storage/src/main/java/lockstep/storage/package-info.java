/**
 * The shared disk: backends of the block port, and who may have the disk.
 *
 * <p>Owning thread: said by each class. May import: lockstep.monitor.block, lockstep.monitor.state,
 * lockstep.replay.ft.disk, lockstep.sys. Start reading at {@link lockstep.storage.FileLease}.
 */
@NullMarked
package lockstep.storage;

import org.jspecify.annotations.NullMarked;
