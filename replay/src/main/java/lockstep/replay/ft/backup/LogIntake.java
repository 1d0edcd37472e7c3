package lockstep.replay.ft.backup;

import java.nio.ByteBuffer;
import java.util.concurrent.Executor;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.FtStatus;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogFormatException;
import lockstep.sys.Scheduler;

/**
 * The backup's end of the logging channel for one pair: frames go into a pipe, and what is in it is
 * acknowledged. Loop thread only.
 */
public final class LogIntake {
  /** What a backup holds of the machine's state before it lets the primary wait. */
  private static final long STATE_BYTES = 8 << 20;

  /**
   * The same of the log, for a primary that does not wait by itself as {@code LogStream} does:
   * twice as much as that one sends. Heartbeats that come behind it are not heard.
   */
  private static final long LOG_BYTES = 32 << 20;

  private final PeerLink from;
  private final FramePipe pipe;

  /** Entries; -1 before the first frame that has some. */
  private long received = -1;

  private long receivedBytes;
  private boolean due;

  /**
   * Nothing received yet.
   *
   * @param loop whose thread this is; the pipe's reader calls it when there is room again
   * @param host whose threads these are
   * @param drained told then, on the loop: the primary may wait for it
   */
  public LogIntake(PeerLink from, Executor loop, Scheduler host, Runnable drained) {
    this.from = from;
    Runnable room =
        () -> {
          from.reading(true);
          drained.run();
        };
    this.pipe = new FramePipe(STATE_BYTES, () -> loop.execute(room), host);
  }

  /** Where the replay reads. */
  public FramePipe pipe() {
    return pipe;
  }

  /**
   * Takes a frame in; stops reading when there is no more room.
   *
   * @throws LogFormatException when it is none that follows the last one
   */
  public void frame(ByteBuffer frame) throws LogFormatException {
    long entries = pipe.put(frame);
    receivedBytes += frame.remaining();
    if (entries != received) {
      received = entries;
      due = true;
    }
    if (pipe.isFull() && (received <= 0 || pipe.available() > LOG_BYTES)) {
      from.reading(false);
      // The link may have more, which it keeps back, and so not say that this was all.
      pipe.wake();
    }
  }

  /** Entries that are here. */
  public long received() {
    return Math.max(0, received);
  }

  /** Bytes that the replay has taken. */
  public long takenBytes() {
    return receivedBytes - pipe.available();
  }

  /** Whether something was received that is not acknowledged. */
  public boolean isDue() {
    return due;
  }

  /**
   * Acknowledges what was received.
   *
   * @param replayedEntries that the replay has taken
   * @return how far the log is
   */
  public FtStatus.Transfer acknowledge(long replayedEntries) {
    due = false;
    long entries = received();
    from.send(new PeerMessage.Ack(entries, replayedEntries));
    return new FtStatus.Transfer(entries, entries, replayedEntries, receivedBytes, 0);
  }
}
