package lockstep.replay.log;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;

/**
 * Writes a log file. Entries collect in memory; {@link #flush} gives what there is to the operating
 * system as a frame, which then survives this process. One thread.
 *
 * <p>What fails on the vCPU thread comes out as {@link UncheckedIOException}.
 */
public final class LogWriter implements EntrySink, Closeable {
  /** Frames of about this size: few enough headers, and little to lose. */
  private static final int FRAME_BYTES = 1 << 16;

  private final FileChannel file;
  private final EntryEncoder encoder = new EntryEncoder();
  private long entriesWritten;

  private LogWriter(FileChannel file) {
    this.file = file;
  }

  /**
   * Starts a file, replacing one that is there; a new one only its owner may read.
   *
   * @throws IOException when it cannot be written
   */
  public static LogWriter create(Path path, LogHeader header) throws IOException {
    FileChannel file =
        FileChannel.open(
            path,
            Set.of(
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE),
            // It holds all that the guest had in memory.
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    try {
      LogWriter writer = new LogWriter(file);
      writer.write(header.encode());
      return writer;
    } catch (IOException e) {
      file.close();
      throw e;
    }
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

  private void frameIfFull() {
    if (encoder.length() >= FRAME_BYTES) {
      flush();
    }
  }

  /** Gives all entries so far to the operating system. */
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
      frame(FrameHeader.Type.ENTRIES, bytes, at, encoder.length() - at, encoder.entries());
      entriesWritten += encoder.entries();
      encoder.clear();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void frame(FrameHeader.Type type, byte[] bytes, int from, int length, int entries)
      throws IOException {
    byte[] body = Arrays.copyOfRange(bytes, from, from + length);
    FrameHeader header =
        new FrameHeader(type, length, FrameHeader.checksum(body, length), entriesWritten, entries);
    write(header.encode(), body);
  }

  private void write(byte[]... parts) throws IOException {
    ByteBuffer[] buffers = Arrays.stream(parts).map(ByteBuffer::wrap).toArray(ByteBuffer[]::new);
    ByteBuffer last = buffers[buffers.length - 1];
    while (last.hasRemaining()) {
      file.write(buffers);
    }
  }

  /** Writes what is left and waits until the disk has it all. */
  @Override
  public void close() throws IOException {
    try (file) {
      flush();
      file.force(true);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private final class StateStream extends OutputStream {
    private final byte[] piece = new byte[FrameHeader.MAX_BODY_BYTES];
    private int length;

    @Override
    public void write(int value) throws IOException {
      write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] from, int offset, int count) throws IOException {
      int done = 0;
      while (done < count) {
        if (length == piece.length) {
          flush();
        }
        int part = Math.min(count - done, piece.length - length);
        System.arraycopy(from, offset + done, piece, length, part);
        length += part;
        done += part;
      }
    }

    @Override
    public void flush() throws IOException {
      if (length > 0) {
        frame(FrameHeader.Type.STATE, piece, 0, length, 0);
        length = 0;
      }
    }

    @Override
    public void close() throws IOException {
      flush();
    }
  }
}
