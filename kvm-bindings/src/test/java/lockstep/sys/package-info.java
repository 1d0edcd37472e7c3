/**
 * Tests of the system call wrappers. Owning thread: the test's. May import: lockstep.sys,
 * lockstep.uapi. Start reading at PosixTest.
 */
@org.jspecify.annotations.NullMarked
package lockstep.sys;
