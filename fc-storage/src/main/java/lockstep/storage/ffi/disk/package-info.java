/**
 * Reads and writes of a disk through the kernel: the engines that carry out requests on an open
 * descriptor, with buffers outside the heap.
 *
 * <p>Owning thread: said by each class. May import: monitor.block, monitor.state, sys, uapi. Start
 * reading at {@link lockstep.storage.ffi.disk.DiskEngine}.
 */
@NullMarked
package lockstep.storage.ffi.disk;

import org.jspecify.annotations.NullMarked;
