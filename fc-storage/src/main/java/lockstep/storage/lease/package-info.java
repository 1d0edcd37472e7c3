/**
 * What a file lease is made of: the names that say who has an image, and the ports through which it
 * reaches a directory and a clock.
 *
 * <p>Owning thread: the lease's own, and {@code lease-alive} for heartbeats. May import:
 * replay.ft.disk. Start reading at {@link lockstep.storage.lease.LeaseChain}.
 */
@NullMarked
package lockstep.storage.lease;

import org.jspecify.annotations.NullMarked;
