package lockstep.storage.ffi;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.pollfd;
import lockstep.uapi.posix_h;

/**
 * Where the owner of a socket waits for it, and for other threads that have something for it. One
 * thread waits and closes; any may make it and {@link #wake}.
 */
public final class SocketWait implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final MemorySegment fds = arena.allocate(2 * pollfd.layout().byteSize(), 8);
  private final MemorySegment errno = Sys.errnoSlot(arena);
  private final byte[] count = new byte[Long.BYTES];
  private final MemorySegment one = arena.allocateFrom(JAVA_LONG, 1);

  /** Of who wakes, under the lock. */
  private final MemorySegment wakeErrno = Sys.errnoSlot(arena);

  private final Fd bell;
  private boolean closed;

  /** Takes a descriptor. */
  public SocketWait() throws SysException {
    bell = Posix.eventfd(posix_h.EFD_CLOEXEC | posix_h.EFD_NONBLOCK);
  }

  /**
   * Waits for the socket, or for a call of {@link #wake} since the last time.
   *
   * @param fd negative for no socket
   * @return what poll found on the socket; 0 for nothing
   */
  public int await(int fd, int events, int timeoutMillis) {
    long size = pollfd.layout().byteSize();
    MemorySegment socket = fds.asSlice(0, size);
    MemorySegment woken = fds.asSlice(size, size);
    pollfd.fd(socket, fd);
    pollfd.events(socket, (short) events);
    pollfd.revents(socket, (short) 0);
    pollfd.fd(woken, bell.number());
    pollfd.events(woken, (short) posix_h.POLLIN);
    pollfd.revents(woken, (short) 0);
    // Safe: two entries in this object's arena. An interrupted call counts as a time-out.
    Sys.call(errno, posix_h.SYS_poll, fds.address(), 2, timeoutMillis, 0, 0, 0);
    if (pollfd.revents(woken) != 0) {
      try {
        Posix.read(bell, count, 0, count.length);
      } catch (SysException e) {
        throw new IllegalStateException("an eventfd that was readable", e);
      }
    }
    return pollfd.revents(socket);
  }

  /** Ends the owner's waiting, or its next one; nothing after closing. */
  public synchronized void wake() {
    if (closed) {
      return;
    }
    // Safe: the kernel reads 8 bytes of this object's arena, which is open while this lock is held.
    long written =
        Sys.call(wakeErrno, posix_h.SYS_write, bell.number(), one.address(), Long.BYTES, 0, 0, 0);
    if (written != Long.BYTES) {
      throw new IllegalStateException("an eventfd that took no count: " + written);
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    bell.close();
    arena.close();
  }
}
