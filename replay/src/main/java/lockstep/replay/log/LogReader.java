package lockstep.replay.log;

import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Reads a log file, as far as it is good: what a crash of the writer or damage has cut off ends the
 * entries, and {@link #cut} says where and why. One thread.
 */
public final class LogReader implements EntrySource, Closeable {
  private static final int BUFFER_BYTES = 1 << 14;

  private final InputStream in;
  private final boolean checked;
  private final LogHeader header;
  private final EntryDecoder decoder = new EntryDecoder();

  /** Bytes of entries that are not decoded yet, up to {@link #pendingEnd}. */
  private byte[] pending = {};

  private int pendingEnd;
  private int inFrame;

  /** Whether the last frame read was one in which entries end: then it ends with the last one. */
  private boolean endsEntry;

  private long taken;
  private long framesRead;
  private @Nullable FrameHeader ahead;

  /** The body of {@link #ahead}, from its front; used again for the next frame. */
  private byte[] body = {};

  /** What is left in the stream of a frame of the state whose bytes were checked before. */
  private int stateLeft;

  private boolean stateOver;
  private boolean endSeen;
  private @Nullable LogEntry peeked;
  private @Nullable String cut;
  private boolean streamOver;

  private LogReader(InputStream in, boolean checked, LogHeader header) {
    this.in = in;
    this.checked = checked;
    this.header = header;
  }

  /**
   * Opens a log.
   *
   * @throws LogFormatException when it is none, or of another version
   * @throws IOException when the file cannot be read
   */
  public static LogReader open(Path path) throws IOException {
    return read(Files.newInputStream(path));
  }

  /**
   * Reads a log from a stream, which is closed with the reader, or here if it is no log.
   *
   * @throws LogFormatException when it is none, or of another version
   */
  public static LogReader read(InputStream from) throws IOException {
    return read(from, false);
  }

  /** Reads a log from a channel; the pipe has checked its frames. */
  public static LogReader follow(FramePipe from) throws IOException {
    return read(from, true);
  }

  private static LogReader read(InputStream from, boolean checked) throws IOException {
    InputStream in = new BufferedInputStream(from, BUFFER_BYTES);
    try {
      return new LogReader(in, checked, LogHeader.read(in));
    } catch (IOException e) {
      in.close();
      throw e;
    }
  }

  /** What the file says of itself. */
  public LogHeader header() {
    return header;
  }

  /**
   * The machine state that the log starts from. Read it before the first entry, or leave it: then
   * it is skipped.
   */
  public InputStream stateStream() {
    return new StateStream();
  }

  /** Why the log ends before its end, in words; empty while all is well and after a proper end. */
  public Optional<String> cut() {
    return Optional.ofNullable(cut);
  }

  /**
   * Whether the entries end where the stream ends, behind a whole frame. At the end of what a
   * channel has brought this is the only end that loses nothing; any other is damage, or a writer
   * that this reader does not understand.
   */
  public boolean isAtStreamEnd() {
    return streamOver;
  }

  @Override
  public LogEntry.@Nullable Kind peekKind() {
    LogEntry ready = peeked;
    if (ready != null) {
      return ready.kind();
    }
    if (!advance()) {
      return null;
    }
    try {
      return decoder.kind();
    } catch (IllegalArgumentException e) {
      cutAt(e.getMessage());
      return null;
    }
  }

  @Override
  public long takeClock() {
    LogEntry ready = peeked;
    if (ready instanceof LogEntry.Clock clock) {
      took();
      return clock.nanos();
    }
    if (peekKind() != LogEntry.Kind.CLOCK) {
      throw new IllegalStateException("no clock reading at entry " + taken);
    }
    try {
      long nanos = decoder.clock();
      took();
      return nanos;
    } catch (IllegalArgumentException e) {
      // With a good checksum this is a writer's mistake; the replay ends at a clock that stands.
      cutAt(e.getMessage());
      return 0;
    }
  }

  @Override
  public @Nullable LogEntry peek() {
    if (peeked == null && peekKind() != null) {
      try {
        peeked = decoder.entry();
      } catch (IllegalArgumentException e) {
        cutAt(e.getMessage());
      }
    }
    return peeked;
  }

  @Override
  public LogEntry take() {
    LogEntry entry = peek();
    if (entry == null) {
      throw new IllegalStateException("no entry " + taken);
    }
    if (entry.kind() == LogEntry.Kind.END) {
      endSeen = true;
    }
    took();
    return entry;
  }

  private void took() {
    peeked = null;
    taken++;
    inFrame--;
  }

  @Override
  public long position() {
    return taken;
  }

  /** Whether there is an entry; reads frames until one ends. */
  private boolean advance() {
    while (inFrame == 0) {
      if (cut != null || !nextFrame()) {
        return false;
      }
      FrameHeader frame = ahead;
      ahead = null;
      if (frame == null || frame.type() == FrameHeader.Type.STATE) {
        if (stateOver) {
          cutAt("a piece of the starting state among the entries");
          return false;
        }
        continue;
      }
      stateOver = true;
      if (frame.firstEntry() != taken) {
        cutAt("frame starts at entry " + frame.firstEntry());
        return false;
      }
      if (!join(frame.bodyBytes())) {
        return false;
      }
      inFrame = frame.entries();
      endsEntry = inFrame > 0;
    }
    return cut == null;
  }

  /** Adds the body to what is left of an entry that began earlier; each byte is moved once. */
  private boolean join(int bodyBytes) {
    int from = decoder.position();
    int rest = pendingEnd - from;
    if (endsEntry && rest > 0) {
      cutAt("bytes after the last entry of a frame");
      return false;
    }
    if (rest + bodyBytes > EntryEncoder.MAX_ENTRY_BYTES) {
      cutAt("an entry of over " + EntryEncoder.MAX_ENTRY_BYTES + " bytes");
      return false;
    }
    // An entry that spans frames lies at the front from its second frame on.
    if (from > 0) {
      System.arraycopy(pending, from, pending, 0, rest);
    }
    if (pending.length < rest + bodyBytes) {
      pending = Arrays.copyOf(pending, Math.max(rest + bodyBytes, 2 * rest));
    }
    System.arraycopy(body, 0, pending, rest, bodyBytes);
    pendingEnd = rest + bodyBytes;
    decoder.reset(pending, 0, pendingEnd);
    return true;
  }

  /** Reads a frame into {@code ahead}; false at the end of what is good. */
  private boolean nextFrame() {
    if (ahead != null) {
      return true;
    }
    try {
      in.skipNBytes(stateLeft);
      stateLeft = 0;
      byte[] head = in.readNBytes(FrameHeader.BYTES);
      if (head.length == 0) {
        if (endsEntry && decoder.position() < pendingEnd) {
          cutAt("bytes after the last entry of a frame");
        }
        streamOver = cut == null;
        if (!endSeen) {
          cutAt("the file ends");
        }
        return false;
      }
      if (head.length < FrameHeader.BYTES) {
        cutAt("the file ends in a frame header");
        return false;
      }
      Optional<FrameHeader> frame = FrameHeader.decode(head);
      if (frame.isEmpty()) {
        cutAt("a damaged frame header");
        return false;
      }
      if (checked && frame.get().type() == FrameHeader.Type.STATE) {
        stateLeft = frame.get().bodyBytes();
      } else if (!readBody(frame.get())) {
        return false;
      }
      ahead = frame.get();
      framesRead++;
      return true;
    } catch (IOException e) {
      cutAt("cannot be read: " + e.getMessage());
      return false;
    }
  }

  private boolean readBody(FrameHeader frame) throws IOException {
    int length = frame.bodyBytes();
    if (body.length < length) {
      body = new byte[length];
    }
    if (in.readNBytes(body, 0, length) < length) {
      cutAt("the file ends in a frame");
      return false;
    }
    if (!checked && FrameHeader.checksum(body, length) != frame.bodyChecksum()) {
      cutAt("a damaged frame body");
      return false;
    }
    return true;
  }

  private void cutAt(@Nullable String why) {
    if (cut == null) {
      cut = "cut at entry %d, after %d frames: %s".formatted(taken, framesRead, why);
    }
    inFrame = 0;
    peeked = null;
  }

  @Override
  public void close() throws IOException {
    in.close();
  }

  private final class StateStream extends InputStream {
    private int at;
    private int end;

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int count) throws IOException {
      if (count == 0) {
        return 0;
      }
      while (at == end && stateLeft == 0) {
        FrameHeader next = nextFrame() ? ahead : null;
        if (next == null || next.type() != FrameHeader.Type.STATE) {
          return -1;
        }
        ahead = null;
        at = 0;
        end = stateLeft > 0 ? 0 : next.bodyBytes();
      }
      if (stateLeft > 0) {
        // From the channel to its place without a stop here.
        int part = in.read(into, offset, Math.min(count, stateLeft));
        stateLeft -= Math.max(part, 0);
        return part;
      }
      int part = Math.min(count, end - at);
      System.arraycopy(body, at, into, offset, part);
      at += part;
      return part;
    }
  }
}
