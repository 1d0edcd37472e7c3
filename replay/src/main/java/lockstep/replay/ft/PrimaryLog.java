package lockstep.replay.ft;

import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.util.concurrent.TimeUnit;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.log.EntrySink;
import lockstep.replay.log.LogEntry;

/**
 * A primary's log on its way out: entries leave together, at the latest some milliseconds of the
 * guest clock later, and at once when an output waits for them.
 *
 * <p>The vCPU thread writes, the loop thread takes what is there when it comes to it and frames it:
 * outputs that follow each other while it has something else to do leave in one frame.
 */
final class PrimaryLog implements EntrySink {
  /** Few enough frames to cost nothing, and a backup that is as good as up to date. */
  private static final long GATHER_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** So much does not wait for that. */
  private static final int ENOUGH_BYTES = 1 << 16;

  private final LogStream stream;

  /** Guarded by this. */
  private final EntryFramer framer;

  /** Whether the loop thread is to come. Guarded by this. */
  private boolean asked;

  /** Of the vCPU thread. */
  private long sentAtNanos;

  /** A log that begins now. */
  PrimaryLog(LogStream stream) {
    this.stream = stream;
    this.framer = new EntryFramer(stream::frame, Integer.MAX_VALUE);
  }

  @Override
  public void clock(long nanos) {
    synchronized (this) {
      framer.clock(nanos);
    }
    if (nanos - sentAtNanos > GATHER_NANOS) {
      sentAtNanos = nanos;
      send();
    }
  }

  @Override
  public void append(LogEntry entry) {
    int waiting;
    synchronized (this) {
      framer.append(entry);
      waiting = framer.waitingBytes();
    }
    if (waiting > ENOUGH_BYTES) {
      send();
    }
  }

  /**
   * Has everything sent that there is.
   *
   * @return its position, for an output that waits for it
   */
  long sendAll() {
    long position;
    synchronized (this) {
      position = framer.position();
    }
    send();
    return position;
  }

  private void send() {
    try {
      stream.awaitRoom();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UncheckedIOException(
          new InterruptedIOException("told to end while the backup had no room"));
    }
    boolean ask;
    synchronized (this) {
      ask = !asked && framer.waitingBytes() > 0;
      asked = asked || ask;
    }
    if (ask) {
      stream.onLoop(this::take);
    }
  }

  /** Loop thread. The system call is outside the lock, on which the guest may wait. */
  private void take() {
    synchronized (this) {
      asked = false;
      framer.flush();
    }
    stream.flush();
  }
}
