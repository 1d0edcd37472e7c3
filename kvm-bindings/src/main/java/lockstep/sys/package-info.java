/**
 * File descriptors, errno, mmap, signals and poll: the only hand-written downcalls of the project.
 *
 * <p>Owning thread: stateless, callable from any thread. May import: uapi. Start reading at {@code
 * Sys}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.sys;
