package lockstep.replay.ft;

import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;

/**
 * The primary's end of the logging channel: frames go to the backup, and the vCPU waits while too
 * much of the log is unacknowledged. Once cut, frames go nowhere.
 */
public final class LogStream {
  /** What a primary may be ahead of its backup's acknowledgements. */
  private static final long WINDOW_BYTES = 16 << 20;

  /** What a primary's vCPU gives up at most, of its time. */
  private static final long LONGEST_PAUSE_NANOS = 100_000_000L;

  private record Sent(long entries, int bytes, long nanos) {}

  private final PeerLink link;
  private final Executor loop;
  private final ArrayDeque<Sent> unacknowledged = new ArrayDeque<>();
  private final ArrayDeque<Sent> unreplayed = new ArrayDeque<>();
  private final LagControl lag = new LagControl();
  private long lastSendNanos = System.nanoTime();
  private long unacknowledgedBytes;
  private long sentBytes;
  private long sentEntries;
  private boolean cut;

  /**
   * A stream into a connection.
   *
   * @param loop the connection's thread
   */
  public LogStream(PeerLink link, Executor loop) {
    this.link = link;
    this.loop = loop;
  }

  /** Has something done on the connection's thread. */
  void onLoop(Runnable work) {
    try {
      loop.execute(work);
    } catch (RejectedExecutionException e) {
      // The network is closed: nobody hears it any more.
    }
  }

  /**
   * Sends a piece of the machine's state; waits while the connection has no room. Before the log.
   */
  void stateFrame(byte[] header, ByteBuffer body, long none) throws InterruptedIOException {
    try {
      if (count(new Sent(0, header.length + body.remaining(), 0))) {
        link.sendFrame(header, body);
        link.flush();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("told to end while the backup had no room");
    }
  }

  /** Sends entries with the next {@link #flush}. Loop thread, and so without waiting. */
  void frame(byte[] header, ByteBuffer body, long entries) throws InterruptedIOException {
    if (count(new Sent(entries, header.length + body.remaining(), System.nanoTime()))) {
      try {
        link.sendFrame(header, body);
      } catch (InterruptedException e) {
        throw new IllegalStateException("the loop thread does not wait", e);
      }
    }
  }

  /** Loop thread. */
  void flush() {
    link.flush();
  }

  /** Counts what is about to be sent; false when cut. */
  private synchronized boolean count(Sent next) {
    if (!cut) {
      sentBytes += next.bytes();
      if (next.entries() > 0) {
        sentEntries = next.entries();
        // The state's frames hold no entry: the connection bounds them by itself.
        unacknowledged.add(next);
        unreplayed.add(next);
        unacknowledgedBytes += next.bytes();
      }
    }
    return !cut;
  }

  /**
   * Waits while too much is unacknowledged, and gives a backup that lags time to catch up: a part
   * of what has passed since the last call. vCPU thread.
   */
  void awaitRoom() throws InterruptedException {
    double part;
    synchronized (this) {
      while (!cut && unacknowledgedBytes > WINDOW_BYTES) {
        wait();
      }
      part = cut ? 0 : lag.pausedPart();
    }
    if (part > 0) {
      long ran = System.nanoTime() - lastSendNanos;
      long pause = (long) Math.min(LONGEST_PAUSE_NANOS, ran * part / (1 - part));
      Thread.sleep(pause / 1_000_000, (int) (pause % 1_000_000));
    }
    lastSendNanos = System.nanoTime();
  }

  /** The backup has so many entries. Any thread. */
  public synchronized void acknowledged(long entries) {
    while (!unacknowledged.isEmpty() && unacknowledged.element().entries() <= entries) {
      unacknowledgedBytes -= unacknowledged.remove().bytes();
    }
    notifyAll();
  }

  /**
   * The backup has replayed so many entries. Any thread.
   *
   * @return how old the oldest entry is that it has not replayed, ns
   */
  public synchronized long replayed(long entries, long nowNanos) {
    while (!unreplayed.isEmpty() && unreplayed.element().entries() <= entries) {
      unreplayed.remove();
    }
    long behind = unreplayed.isEmpty() ? 0 : nowNanos - unreplayed.element().nanos();
    lag.report(behind, nowNanos);
    return behind;
  }

  /** Sends nothing any more. Any thread. */
  public synchronized void cut() {
    cut = true;
    unacknowledged.clear();
    unreplayed.clear();
    unacknowledgedBytes = 0;
    notifyAll();
  }

  /** Whether nothing is sent any more. */
  public synchronized boolean isCut() {
    return cut;
  }

  /** Entries sent so far: where the log is. */
  public synchronized long sentEntries() {
    return sentEntries;
  }

  /** Bytes sent so far. */
  public synchronized long sentBytes() {
    return sentBytes;
  }
}
