package lockstep.replay.log;

import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import lockstep.sys.Scheduler;

/**
 * A log on its way from a channel to a {@link LogReader}, which finds in it what it would find in a
 * file. Frames are checked when they arrive, so that what was acknowledged can be replayed. One
 * thread puts, one reads; reading waits.
 */
public final class FramePipe extends InputStream {
  /**
   * What waits lies in arrays of this size, used again and again: a state of gigabytes is no work
   * for the garbage collector.
   */
  private static final int PIECE_BYTES = 1 << 18;

  private final ArrayDeque<byte[]> pieces = new ArrayDeque<>();
  private final ArrayDeque<byte[]> spare = new ArrayDeque<>();
  private final Runnable drained;
  private final Lock lock;

  /** There is something to read, or never will be. */
  private final Condition readable;

  private final long roomBytes;

  /** Where the reader is in the first piece. */
  private int head;

  /** Up to where the last piece is filled. */
  private int tail = PIECE_BYTES;

  private long buffered;
  private boolean full;
  private boolean ended;
  private long entries;

  /**
   * @param roomBytes above this the pipe is full; it still takes what comes
   * @param drained told on the reading thread when a full pipe is half empty
   * @param host whose threads these are
   */
  public FramePipe(long roomBytes, Runnable drained, Scheduler host) {
    this.roomBytes = roomBytes;
    this.drained = drained;
    this.lock = host.lock();
    this.readable = lock.newCondition();
    add(ByteBuffer.wrap(new LogHeader(Map.of()).encode()));
  }

  /**
   * Adds a frame. The reader may not hear of it before {@link #wake}: waking a thread takes time,
   * and the other side waits for the acknowledgement.
   *
   * @param frame is not kept; its position stays
   * @return how many entries have come in so far: what may be acknowledged
   * @throws LogFormatException when it is no good frame, or not the next one
   */
  public long put(ByteBuffer frame) throws LogFormatException {
    FrameHeader header = checked(frame);
    boolean taken;
    lock.lock();
    try {
      if (header.firstEntry() != entries) {
        throw new LogFormatException(
            "goes on at entry %d instead of %d".formatted(header.firstEntry(), entries));
      }
      taken = !ended;
    } finally {
      lock.unlock();
    }
    if (taken) {
      add(frame.duplicate());
    }
    lock.lock();
    try {
      if (taken) {
        entries += header.entries();
      }
      return entries;
    } finally {
      lock.unlock();
    }
  }

  private static FrameHeader checked(ByteBuffer frame) throws LogFormatException {
    Optional<FrameHeader> decoded = Optional.empty();
    if (frame.remaining() >= FrameHeader.BYTES) {
      byte[] header = new byte[FrameHeader.BYTES];
      frame.get(frame.position(), header);
      decoded = FrameHeader.decode(header);
    }
    FrameHeader header =
        decoded.orElseThrow(() -> new LogFormatException("has a damaged frame header"));
    ByteBuffer body = frame.duplicate().position(frame.position() + FrameHeader.BYTES);
    if (header.bodyBytes() != body.remaining()
        || header.bodyChecksum() != FrameHeader.checksum(body)) {
      throw new LogFormatException("has a damaged frame");
    }
    return header;
  }

  /** Putting thread. The copying is outside the lock: what is not yet told of nobody reads. */
  private void add(ByteBuffer bytes) {
    while (bytes.hasRemaining()) {
      byte[] piece = last();
      int from = tail;
      int part = Math.min(bytes.remaining(), PIECE_BYTES - from);
      bytes.get(piece, from, part);
      lock.lock();
      try {
        tail = from + part;
        buffered += part;
        full = full || buffered > roomBytes;
      } finally {
        lock.unlock();
      }
    }
  }

  /** A piece with room behind {@link #tail}. */
  private byte[] last() {
    lock.lock();
    try {
      if (buffered == 0 && !pieces.isEmpty()) {
        // Nobody is reading it: from its front again.
        head = 0;
        tail = 0;
      } else if (tail == PIECE_BYTES) {
        byte[] next = spare.poll();
        pieces.add(next == null ? new byte[PIECE_BYTES] : next);
        tail = 0;
      }
      return pieces.getLast();
    } finally {
      lock.unlock();
    }
  }

  /** Whether the sender should pause until {@code drained} is told. */
  public boolean isFull() {
    lock.lock();
    try {
      return full;
    } finally {
      lock.unlock();
    }
  }

  /** Has the reader go on with what was put. */
  public void wake() {
    lock.lock();
    try {
      readable.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** No more frames come: the reader finds the end behind what is here. */
  public void end() {
    lock.lock();
    try {
      ended = true;
      readable.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Entries that have come in: what was or may be acknowledged. */
  public synchronized long entries() {
    return entries;
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
    byte[] piece;
    int from;
    int part;
    lock.lock();
    try {
      if (!await()) {
        return -1;
      }
      piece = pieces.getFirst();
      from = head;
      part = Math.min(count, (pieces.size() > 1 ? PIECE_BYTES : tail) - from);
    } finally {
      lock.unlock();
    }
    System.arraycopy(piece, from, into, offset, part);
    if (took(part)) {
      drained.run();
    }
    return part;
  }

  /** Waits until there is something; false at the end. */
  private boolean await() throws InterruptedIOException {
    while (buffered == 0 && !ended) {
      try {
        readable.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("told to end");
      }
    }
    return buffered > 0;
  }

  /** Counts what was read; whether that was to be told. */
  private boolean took(int count) {
    lock.lock();
    try {
      buffered -= count;
      head += count;
      if (head == PIECE_BYTES && pieces.size() > 1) {
        spare.add(pieces.remove());
        head = 0;
      }
      boolean tell = full && buffered <= roomBytes / 2;
      full = full && !tell;
      return tell;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public int available() {
    lock.lock();
    try {
      return (int) Math.min(buffered, Integer.MAX_VALUE);
    } finally {
      lock.unlock();
    }
  }
}
