package lockstep.replay.log;

import java.io.InputStream;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Optional;
import lockstep.monitor.state.Bytes;
import org.jspecify.annotations.Nullable;

/**
 * A log on its way from a channel to a {@link LogReader}, which finds in it what it would find in a
 * file. Frames are checked when they arrive, so that what was acknowledged can be replayed. One
 * thread puts, one reads; reading waits.
 */
public final class FramePipe extends InputStream {
  private final ArrayDeque<Bytes> chunks = new ArrayDeque<>();
  private final Runnable drained;
  private final long roomBytes;
  private Bytes current;
  private int at;
  private long buffered;
  private boolean full;
  private boolean ended;
  private long entries;

  /**
   * @param roomBytes above this the pipe is full; it still takes what comes
   * @param drained told on the reading thread when a full pipe is half empty
   */
  public FramePipe(long roomBytes, Runnable drained) {
    this.roomBytes = roomBytes;
    this.drained = drained;
    this.current = Bytes.copyOf(new LogHeader(Map.of()).encode());
  }

  /**
   * Adds a frame.
   *
   * @return how many entries have come in so far: what may be acknowledged
   * @throws LogFormatException when it is no good frame, or not the next one
   */
  public synchronized long put(Bytes frame) throws LogFormatException {
    Optional<FrameHeader> decoded =
        frame.size() < FrameHeader.BYTES ? Optional.empty() : FrameHeader.decode(headerOf(frame));
    FrameHeader header =
        decoded.orElseThrow(() -> new LogFormatException("has a damaged frame header"));
    int length = frame.size() - FrameHeader.BYTES;
    if (header.bodyBytes() != length
        || header.bodyChecksum() != FrameHeader.checksum(frame, FrameHeader.BYTES, length)) {
      throw new LogFormatException("has a damaged frame");
    }
    if (header.firstEntry() != entries) {
      throw new LogFormatException(
          "goes on at entry %d instead of %d".formatted(header.firstEntry(), entries));
    }
    if (!ended) {
      entries += header.entries();
      chunks.add(frame);
      buffered += frame.size();
      full = full || buffered > roomBytes;
      notifyAll();
    }
    return entries;
  }

  private static byte[] headerOf(Bytes frame) {
    byte[] header = new byte[FrameHeader.BYTES];
    frame.copyTo(0, header, 0, header.length);
    return header;
  }

  /** Whether the sender should pause until {@code drained} is told. */
  public synchronized boolean isFull() {
    return full;
  }

  /** Whether the reader has taken all there is. */
  public synchronized boolean isEmpty() {
    return at == current.size() && chunks.isEmpty();
  }

  /** No more frames come: the reader finds the end behind what is here. */
  public synchronized void end() {
    ended = true;
    notifyAll();
  }

  @Override
  public int read() throws InterruptedIOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] into, int offset, int count) throws InterruptedIOException {
    if (count == 0) {
      return 0;
    }
    if (at == current.size()) {
      Bytes next = await();
      if (next == null) {
        return -1;
      }
      synchronized (this) {
        current = next;
        at = 0;
      }
    }
    int part = Math.min(count, current.size() - at);
    current.copyTo(at, into, offset, part);
    synchronized (this) {
      at += part;
    }
    return part;
  }

  private @Nullable Bytes await() throws InterruptedIOException {
    Bytes next;
    boolean tell;
    synchronized (this) {
      while (chunks.isEmpty() && !ended) {
        try {
          wait();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new InterruptedIOException("told to end");
        }
      }
      next = chunks.poll();
      if (next == null) {
        return null;
      }
      buffered -= next.size();
      tell = full && buffered <= roomBytes / 2;
      full = full && !tell;
    }
    if (tell) {
      drained.run();
    }
    return next;
  }

  @Override
  public synchronized int available() {
    int left = current.size() - at;
    return left > 0 || chunks.isEmpty() ? left : 1;
  }
}
