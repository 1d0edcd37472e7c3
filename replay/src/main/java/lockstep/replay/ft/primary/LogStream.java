package lockstep.replay.ft.primary;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.log.EntryFramer;
import lockstep.sys.Scheduler;

/**
 * The primary's end of the logging channel: frames go to the backup, and the vCPU waits while too
 * much of the log is unacknowledged. Once cut, frames go nowhere.
 */
public final class LogStream implements EntryFramer.Frames {
  /**
   * What a primary may be ahead of its backup's acknowledgements, and of its replay: a backup never
   * has to stop reading, and hears the heartbeats behind.
   */
  private static final long WINDOW_BYTES = 16 << 20;

  /** What a primary's vCPU gives up at most, of its time. */
  private static final long LONGEST_PAUSE_NANOS = 100_000_000L;

  private record Sent(long entries, int bytes, long nanos) {}

  private final PeerLink link;
  private final Scheduler host;
  private final Lock lock;

  /** There is room, or the stream is cut. */
  private final Condition room;

  private final ArrayDeque<Sent> unacknowledged = new ArrayDeque<>();
  private final ArrayDeque<Sent> unreplayed = new ArrayDeque<>();
  private final LagControl lag = new LagControl();
  private long lastFrameNanos;
  private long unacknowledgedBytes;
  private long unreplayedBytes;
  private long sentBytes;
  private long sentEntries;
  private boolean cut;

  /**
   * A stream into a connection.
   *
   * @param host whose clock the lag is measured by
   */
  public LogStream(PeerLink link, Scheduler host) {
    this.link = link;
    this.host = host;
    this.lock = host.lock();
    this.room = lock.newCondition();
    this.lastFrameNanos = host.nanoTime();
  }

  @Override
  public void frame(byte[] header, ByteBuffer body, long entries)
      throws java.io.InterruptedIOException {
    try {
      long now = host.nanoTime();
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
    double part = pausedPart();
    if (part > 0) {
      long ran = now - lastFrameNanos;
      long pause = (long) Math.min(LONGEST_PAUSE_NANOS, ran * part / (1 - part));
      host.sleep(pause);
    }
    lastFrameNanos = host.nanoTime();
  }

  private double pausedPart() {
    lock.lock();
    try {
      return lag.pausedPart();
    } finally {
      lock.unlock();
    }
  }

  /** Whether the backup is too far behind; with the lock. */
  private boolean isFull() {
    return unacknowledgedBytes > WINDOW_BYTES || unreplayedBytes > WINDOW_BYTES;
  }

  /** Waits for room and takes it; false when cut. */
  private boolean room(Sent next) throws InterruptedException {
    lock.lock();
    try {
      while (!cut && isFull()) {
        room.await();
      }
      if (!cut) {
        sentBytes += next.bytes();
        if (next.entries() > 0) {
          sentEntries = next.entries();
          // The state's frames hold no entry: the connection bounds them by itself.
          unacknowledged.add(next);
          unreplayed.add(next);
          unacknowledgedBytes += next.bytes();
          unreplayedBytes += next.bytes();
        }
      }
      return !cut;
    } finally {
      lock.unlock();
    }
  }

  /** The backup has so many entries. Any thread. */
  public void acknowledged(long entries) {
    lock.lock();
    try {
      while (!unacknowledged.isEmpty() && unacknowledged.element().entries() <= entries) {
        unacknowledgedBytes -= unacknowledged.remove().bytes();
      }
      room.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /**
   * The backup has replayed so many entries. Any thread.
   *
   * @return how old the oldest entry is that it has not replayed, ns
   */
  public long replayed(long entries, long nowNanos) {
    lock.lock();
    try {
      while (!unreplayed.isEmpty() && unreplayed.element().entries() <= entries) {
        unreplayedBytes -= unreplayed.remove().bytes();
      }
      room.signalAll();
      long behind = unreplayed.isEmpty() ? 0 : nowNanos - unreplayed.element().nanos();
      lag.report(behind, nowNanos);
      return behind;
    } finally {
      lock.unlock();
    }
  }

  /** Sends nothing any more. Any thread. */
  public void cut() {
    lock.lock();
    try {
      cut = true;
      unacknowledged.clear();
      unreplayed.clear();
      unacknowledgedBytes = 0;
      unreplayedBytes = 0;
      room.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Whether the recorded guest waits for the backup, or for the wire. Any thread. */
  public boolean isWaiting() {
    lock.lock();
    try {
      // As it is now: a thread that once waited may stand still since.
      return !cut && (isFull() || !link.hasRoom());
    } finally {
      lock.unlock();
    }
  }

  /** Whether nothing is sent any more. */
  public boolean isCut() {
    lock.lock();
    try {
      return cut;
    } finally {
      lock.unlock();
    }
  }

  /** Entries sent so far: where the log is. */
  public long sentEntries() {
    lock.lock();
    try {
      return sentEntries;
    } finally {
      lock.unlock();
    }
  }

  /** Bytes sent so far. */
  public long sentBytes() {
    lock.lock();
    try {
      return sentBytes;
    } finally {
      lock.unlock();
    }
  }
}
