package lockstep.replay.log;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;

/**
 * Gathers entries into frames, for a file or a channel. One thread.
 *
 * <p>What fails on the vCPU thread comes out as {@link UncheckedIOException}.
 */
public final class EntryFramer implements EntrySink {
  /** Frames of about this size: few enough headers, and little to lose. */
  private static final int FRAME_BYTES = 1 << 16;

  /**
   * The state goes in larger ones, but small enough that a frame is still in the CPU's cache when
   * the next thread on its way takes it.
   */
  private static final int STATE_BYTES = 1 << 17;

  /** Where complete frames go. */
  @FunctionalInterface
  public interface Frames {
    /**
     * Takes a frame, header and body, which is the taker's from now on.
     *
     * @param entries how many entries have ended in it and all before it
     */
    void frame(byte[] frame, long entries) throws IOException;
  }

  private final Frames frames;
  private final EntryEncoder encoder = new EntryEncoder();
  private long entriesFramed;

  /** A framer that has framed nothing yet. */
  public EntryFramer(Frames frames) {
    this.frames = frames;
  }

  /** Takes the machine state that the log starts from; before the first entry. Close it. */
  public OutputStream stateStream() {
    return new StateStream();
  }

  @Override
  public void clock(long nanos) {
    encoder.clock(nanos);
    frameIfFull();
  }

  @Override
  public void append(LogEntry entry) {
    encoder.entry(entry);
    frameIfFull();
  }

  /** How many entries were appended. */
  public long position() {
    return entriesFramed + encoder.entries();
  }

  private void frameIfFull() {
    if (encoder.length() >= FRAME_BYTES) {
      flush();
    }
  }

  /** Hands out all entries so far. */
  public void flush() {
    if (encoder.length() == 0) {
      return;
    }
    try {
      byte[] bytes = encoder.bytes();
      int at = 0;
      // An entry that is larger than a frame ends in the last one, and so do all before it.
      while (encoder.length() - at > FrameHeader.MAX_BODY_BYTES) {
        frame(FrameHeader.Type.ENTRIES, bytes, at, FrameHeader.MAX_BODY_BYTES, 0);
        at += FrameHeader.MAX_BODY_BYTES;
      }
      int entries = encoder.entries();
      frame(FrameHeader.Type.ENTRIES, bytes, at, encoder.length() - at, entries);
      encoder.clear();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void frame(FrameHeader.Type type, byte[] bytes, int from, int length, int entries)
      throws IOException {
    byte[] frame = new byte[FrameHeader.BYTES + length];
    System.arraycopy(bytes, from, frame, FrameHeader.BYTES, length);
    handOut(type, frame, entries);
  }

  /** Puts the header before a body that is in its place. */
  private void handOut(FrameHeader.Type type, byte[] frame, int entries) throws IOException {
    int length = frame.length - FrameHeader.BYTES;
    int checksum = FrameHeader.checksum(frame, FrameHeader.BYTES, length);
    byte[] header = new FrameHeader(type, length, checksum, entriesFramed, entries).encode();
    System.arraycopy(header, 0, frame, 0, header.length);
    entriesFramed += entries;
    frames.frame(frame, entriesFramed);
  }

  private final class StateStream extends OutputStream {
    /** Becomes the next frame, its body from {@code FrameHeader.BYTES}. */
    private byte[] frame = new byte[0];

    private int end;

    @Override
    public void write(int value) throws IOException {
      write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] from, int offset, int count) throws IOException {
      int done = 0;
      while (done < count) {
        if (end == frame.length) {
          flush();
          frame = new byte[FrameHeader.BYTES + STATE_BYTES];
          end = FrameHeader.BYTES;
        }
        int part = Math.min(count - done, frame.length - end);
        System.arraycopy(from, offset + done, frame, end, part);
        end += part;
        done += part;
      }
    }

    @Override
    public void flush() throws IOException {
      if (end > FrameHeader.BYTES) {
        byte[] full = end == frame.length ? frame : Arrays.copyOf(frame, end);
        frame = new byte[0];
        end = 0;
        handOut(FrameHeader.Type.STATE, full, 0);
      }
    }

    @Override
    public void close() throws IOException {
      flush();
    }
  }
}
