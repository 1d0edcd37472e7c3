/**
 * The port to a disk's medium: what a virtual disk asks for, and what storage answers. The disk
 * device makes requests and never waits; a {@link lockstep.monitor.block.BlockDevice} carries them
 * out on threads of its own.
 *
 * <p>Owning thread: requests and results are immutable; a BlockDevice may be called by any thread.
 * May import: monitor.state. Start reading at {@link lockstep.monitor.block.BlockDevice}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.block;
