/**
 * SCSI as storage needs it, over any transport: commands and their replies, persistent
 * reservations, and the arbitration of a shared disk by them. Nothing here knows how a command
 * travels.
 *
 * <p>Owning thread: values are immutable; an arbiter is used by one thread at a time. May import:
 * monitor.block, monitor.state, replay.ft.disk, sys. Start reading at {@link
 * lockstep.storage.scsi.ScsiTransport}.
 */
@NullMarked
package lockstep.storage.scsi;

import org.jspecify.annotations.NullMarked;
