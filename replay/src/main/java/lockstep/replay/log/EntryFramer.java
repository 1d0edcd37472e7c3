package lockstep.replay.log;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;

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
  private static final int STATE_BYTES = 1 << 19;

  /** Small pieces of it are gathered; memory comes in larger ones. */
  private static final int GATHERED_BYTES = 1 << 16;

  /** Where complete frames go. */
  @FunctionalInterface
  public interface Frames {
    /**
     * Takes a frame. Nothing of it may be kept: the body lies where the next one will.
     *
     * @param header what stands before the body
     * @param body what is left in the buffer
     * @param entries how many entries have ended in it and all before it
     */
    void frame(byte[] header, ByteBuffer body, long entries) throws IOException;
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
    return new BufferedOutputStream(new StateStream(), GATHERED_BYTES);
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
    int checksum = FrameHeader.checksum(bytes, from, length);
    byte[] header = new FrameHeader(type, length, checksum, entriesFramed, entries).encode();
    entriesFramed += entries;
    frames.frame(header, ByteBuffer.wrap(bytes, from, length), entriesFramed);
  }

  /** Gathers nothing: what is written in large pieces goes out from where it lies. */
  private final class StateStream extends OutputStream {
    @Override
    public void write(int value) throws IOException {
      write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] from, int offset, int count) throws IOException {
      for (int done = 0; done < count; done += STATE_BYTES) {
        int part = Math.min(count - done, STATE_BYTES);
        frame(FrameHeader.Type.STATE, from, offset + done, part, 0);
      }
    }
  }
}
