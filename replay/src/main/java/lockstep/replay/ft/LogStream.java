package lockstep.replay.ft;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import lockstep.replay.log.EntryFramer;

/**
 * The primary's end of the logging channel: frames go to the backup, and the vCPU waits while too
 * much of the log is unacknowledged. Once cut, frames go nowhere.
 */
public final class LogStream implements EntryFramer.Frames {
  /** What a primary may be ahead of its backup's acknowledgements. */
  private static final long WINDOW_BYTES = 16 << 20;

  /** What a primary's vCPU gives up at most, of its time. */
  private static final long LONGEST_PAUSE_NANOS = 100_000_000L;

  private record Sent(long entries, int bytes, long nanos) {}

  private final PeerLink link;
  private final ArrayDeque<Sent> unacknowledged = new ArrayDeque<>();
  private final ArrayDeque<Sent> unreplayed = new ArrayDeque<>();
  private final LagControl lag = new LagControl();
  private long lastFrameNanos = System.nanoTime();
  private long unacknowledgedBytes;
  private long sentBytes;
  private long sentEntries;
  private boolean cut;

  /** A stream into a connection. */
  public LogStream(PeerLink link) {
    this.link = link;
  }

  @Override
  public void frame(byte[] header, ByteBuffer body, long entries)
      throws java.io.InterruptedIOException {
    try {
      long now = System.nanoTime();
      if (room(new Sent(entries, header.length + body.remaining(), now))) {
        link.sendFrame(header, body);
        slowDown(now);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("told to end while the backup had no room");
    }
  }

  /** Gives the backup time to catch up: a part of what has passed since the last frame. */
  private void slowDown(long now) throws InterruptedException {
    double part;
    synchronized (this) {
      part = lag.pausedPart();
    }
    if (part > 0) {
      long ran = now - lastFrameNanos;
      long pause = (long) Math.min(LONGEST_PAUSE_NANOS, ran * part / (1 - part));
      Thread.sleep(pause / 1_000_000, (int) (pause % 1_000_000));
    }
    lastFrameNanos = System.nanoTime();
  }

  /** Waits for room and takes it; false when cut. */
  private synchronized boolean room(Sent next) throws InterruptedException {
    while (!cut && unacknowledgedBytes > WINDOW_BYTES) {
      wait();
    }
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
