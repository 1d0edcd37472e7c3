package lockstep.replay.ft;

import java.util.ArrayDeque;
import lockstep.replay.log.EntryFramer;

/**
 * The primary's end of the logging channel: frames go to the backup, and the vCPU waits while too
 * much of the log is unacknowledged. Once cut, frames go nowhere.
 */
public final class LogStream implements EntryFramer.Frames {
  /** What a primary may be ahead of its backup's acknowledgements. */
  private static final long WINDOW_BYTES = 16 << 20;

  private record Sent(long entries, int bytes) {}

  private final PeerLink link;
  private final ArrayDeque<Sent> unacknowledged = new ArrayDeque<>();
  private long unacknowledgedBytes;
  private long sentBytes;
  private boolean cut;

  /** A stream into a connection. */
  public LogStream(PeerLink link) {
    this.link = link;
  }

  @Override
  public void frame(byte[] frame, long entries) throws java.io.InterruptedIOException {
    try {
      if (room(new Sent(entries, frame.length))) {
        link.sendFrame(frame);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("told to end while the backup had no room");
    }
  }

  /** Waits for room and takes it; false when cut. */
  private synchronized boolean room(Sent next) throws InterruptedException {
    while (!cut && unacknowledgedBytes > WINDOW_BYTES) {
      wait();
    }
    if (!cut) {
      sentBytes += next.bytes();
      if (next.entries() > 0) {
        // The state's frames hold no entry: the connection bounds them by itself.
        unacknowledged.add(next);
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

  /** Sends nothing any more. Any thread. */
  public synchronized void cut() {
    cut = true;
    unacknowledged.clear();
    unacknowledgedBytes = 0;
    notifyAll();
  }

  /** Whether nothing is sent any more. */
  public synchronized boolean isCut() {
    return cut;
  }

  /** Bytes sent so far. */
  public synchronized long sentBytes() {
    return sentBytes;
  }
}
