package lockstep.monitor.host;

import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.output.ConsoleSink;

/**
 * Thread {@code console-out}: writes the guest's console to a stream, from a bounded buffer that
 * the vCPU thread fills. The first byte after a pause leaves at once; bytes that follow within a
 * millisecond leave together.
 *
 * <p>One thread puts, {@code console-out} takes. A full buffer holds the putting thread until there
 * is room: nothing is dropped. When the stream breaks, the rest is discarded and the reason told
 * once.
 */
public final class ConsoleOutput implements ConsoleSink, AutoCloseable {
  /** A few screens: enough for a boot's burst; a reader that is slower holds the guest. */
  static final int CAPACITY_BYTES = 1 << 16;

  /** Long enough to gather a line from a guest that takes 8 us a byte, too short to notice. */
  private static final long GATHER_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  /** Bounds the damage of a lost wake-up, of which none is known. */
  private static final long IDLE_SLICE_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** How long closing waits for a reader that takes nothing. */
  private static final long CLOSE_MILLIS = 2_000;

  /** What is written at a time: a pipe's smallest atomic write, of which it has room for many. */
  private static final int PIECE_BYTES = 1 << 12;

  private static final long LOOK_MILLIS = 20;

  /** Told once when the stream broke; called on {@code console-out}. */
  @FunctionalInterface
  public interface Broken {
    /** The stream takes no more, for this reason. */
    void because(IOException e);
  }

  private final OutputStream stream;
  private final Broken broken;
  private final byte[] ring = new byte[CAPACITY_BYTES];
  private final Thread thread;
  private volatile long put;
  private volatile long taken;
  private volatile boolean idle;
  private volatile boolean closed;

  /** Starts the thread. */
  public ConsoleOutput(OutputStream stream, Broken broken) {
    this.stream = stream;
    this.broken = broken;
    this.thread = Thread.ofPlatform().daemon().name("console-out").unstarted(this::run);
    thread.start();
  }

  @Override
  public void consoleByte(int value) {
    long at = put;
    while (at - taken == CAPACITY_BYTES) {
      if (closed) {
        return;
      }
      LockSupport.parkNanos(this, GATHER_NANOS);
    }
    ring[(int) (at % CAPACITY_BYTES)] = (byte) value;
    put = at + 1; // volatile: the byte is there before the count says so
    if (idle) {
      idle = false;
      LockSupport.unpark(thread);
    }
  }

  private void run() {
    boolean writing = true;
    while (true) {
      boolean last = closed;
      long from = taken;
      long until = put;
      if (from == until) {
        if (last) {
          return;
        }
        idle = true;
        if (put == until && !closed) {
          LockSupport.parkNanos(this, IDLE_SLICE_NANOS);
        }
        continue;
      }
      // In pieces, so that a reader that is slow but reads shows.
      until = Math.min(until, from + PIECE_BYTES);
      if (writing) {
        writing = write(from, until);
      }
      taken = until;
      if (!last && until == put) {
        LockSupport.parkNanos(this, GATHER_NANOS);
      }
    }
  }

  private boolean write(long from, long until) {
    int start = (int) (from % CAPACITY_BYTES);
    int length = (int) (until - from);
    int first = Math.min(length, CAPACITY_BYTES - start);
    try {
      stream.write(ring, start, first);
      if (first < length) {
        stream.write(ring, 0, length - first);
      }
      stream.flush();
      return true;
    } catch (IOException e) {
      broken.because(e);
      return false;
    }
  }

  /**
   * Writes what is in the buffer and ends the thread. Waits for as long as the reader reads. Any
   * thread, once the guest prints nothing more.
   *
   * @param silentMillis gives up when the reader has taken nothing for so long
   * @return how many bytes it has not taken: they are lost
   */
  public long finish(long silentMillis) {
    closed = true;
    LockSupport.unpark(thread);
    long before = taken;
    long since = System.nanoTime();
    try {
      while (!thread.join(Duration.ofMillis(LOOK_MILLIS))) {
        long now = System.nanoTime();
        if (taken != before) {
          before = taken;
          since = now;
        }
        if (now - since > TimeUnit.MILLISECONDS.toNanos(silentMillis)) {
          break;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return put - taken;
  }

  /** The same, and gives up after two seconds: for those who cannot wait. */
  @Override
  public void close() {
    long unused = finish(CLOSE_MILLIS);
  }
}
