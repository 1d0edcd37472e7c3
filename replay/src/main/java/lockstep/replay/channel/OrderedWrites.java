package lockstep.replay.channel;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelPromise;
import io.netty.channel.unix.FileDescriptor;
import io.netty.channel.unix.UnixChannel;
import io.netty.handler.ssl.SslHandler;
import java.io.IOException;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * Sends messages over a connection in the order in which they are given. A message goes into the
 * socket on the caller's thread where that is possible: waking the loop's thread for it takes
 * longer than everything else on an output's way through a pair. What the socket has no room for,
 * and what comes after that, goes through the loop; with TLS everything does.
 *
 * <p>Any thread.
 */
// A failed write closes the connection, and the link reports that: no single future is needed.
@SuppressWarnings("FutureReturnValueIgnored")
final class OrderedWrites {
  /** What goes in order: bytes, and who is told that they have left. */
  private record Given(ByteBuf bytes, ChannelPromise left) {}

  private final Channel channel;
  private final LoopGuard guard;

  /**
   * Held by the thread that is sending. No thread waits for it: the one that sends heartbeats would
   * wait for a vCPU thread that the host has taken the CPU from.
   */
  private final ReentrantLock sending = new ReentrantLock();

  /** What is to be sent by who has the lock, or gets it next. */
  private final Queue<Given> given = new ConcurrentLinkedQueue<>();

  /** Messages that the loop has not sent yet. */
  private final AtomicInteger queued = new AtomicInteger();

  /**
   * A duplicate of the socket's descriptor: the loop may close the socket at any time, and the
   * kernel gives its number to the next file. Changed under the lock.
   */
  private volatile Optional<Fd> socket;

  private volatile boolean closed;

  /** Sends over a connection until it is closed. Loop thread. */
  OrderedWrites(Channel channel, LoopGuard guard) {
    this.channel = channel;
    this.guard = guard;
    this.socket = channel.pipeline().get(SslHandler.class) == null ? duplicate() : Optional.empty();
    channel
        .closeFuture()
        .addListener(
            guard.listener(
                _ -> {
                  closed = true;
                  work();
                }));
  }

  private Optional<Fd> duplicate() {
    if (!(channel instanceof UnixChannel unix) || !unix.fd().isOpen()) {
      return Optional.empty();
    }
    String name = "logging channel";
    Fd original = new Fd(unix.fd().intValue(), name);
    try {
      return Optional.of(new Fd(Posix.fcntl(original, posix_h.F_DUPFD_CLOEXEC, 0, "dup"), name));
    } catch (SysException e) {
      return Optional.empty(); // Too many open files: the loop sends.
    }
  }

  /**
   * Sends a message; if another thread is about to send one, that thread sends this one as well.
   *
   * @param message with its length before it, in memory outside the heap; released here
   */
  void write(ByteBuf message) {
    given.add(new Given(message, channel.newPromise()));
    work();
  }

  /** Succeeds when all that was written before has left; sends nothing. */
  ChannelFuture lastWrite() {
    ChannelPromise left = channel.newPromise();
    given.add(new Given(Unpooled.EMPTY_BUFFER, left));
    work();
    return left;
  }

  private void work() {
    // Once more after the lock was given back: another thread may have found it taken until then.
    while (hasWork() && sending.tryLock()) {
      try {
        for (Given next = given.poll(); next != null; next = given.poll()) {
          send(next);
        }
        if (closed) {
          socket.ifPresent(Fd::close);
          socket = Optional.empty();
        }
      } finally {
        sending.unlock();
      }
    }
  }

  private boolean hasWork() {
    return !given.isEmpty() || (closed && socket.isPresent());
  }

  /** With the lock. */
  private void send(Given next) {
    ByteBuf bytes = next.bytes();
    // A closed connection has dropped what was queued, perhaps in the middle of a message.
    if (queued.get() == 0 && !closed) {
      bytes.skipBytes(socket.map(to -> sent(bytes, to)).orElse(0));
      if (!bytes.isReadable()) {
        bytes.release();
        next.left().trySuccess();
        return;
      }
    }
    queue(next);
  }

  /** Bytes that the socket has taken. */
  private static int sent(ByteBuf message, Fd to) {
    try {
      var bytes = message.nioBuffer();
      return new FileDescriptor(to.number()).write(bytes, bytes.position(), bytes.limit());
    } catch (IOException e) {
      return 0; // The loop meets the same error, and tells of it.
    }
  }

  private void queue(Given next) {
    boolean first = queued.getAndIncrement() == 0;
    next.left().addListener(guard.listener(_ -> queued.getAndDecrement()));
    if (first || !channel.eventLoop().inEventLoop()) {
      channel.writeAndFlush(next.bytes(), next.left());
      return;
    }
    try {
      // Not at once: what another thread has given is among the loop's tasks.
      channel
          .eventLoop()
          .execute(guard.task(() -> channel.writeAndFlush(next.bytes(), next.left())));
    } catch (RejectedExecutionException e) {
      next.bytes().release(); // The network is closed.
    }
  }
}
