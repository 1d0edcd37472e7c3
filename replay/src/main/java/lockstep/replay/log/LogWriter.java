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
import java.util.Set;

/**
 * Writes a log file. Entries collect in memory; {@link #flush} gives what there is to the operating
 * system as a frame, which then survives this process. One thread.
 *
 * <p>What fails on the vCPU thread comes out as {@link UncheckedIOException}.
 */
public final class LogWriter implements EntrySink, Closeable {
  private final FileChannel file;
  private final EntryFramer framer = new EntryFramer(this::frame);

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
      writer.write(ByteBuffer.wrap(header.encode()));
      return writer;
    } catch (IOException e) {
      file.close();
      throw e;
    }
  }

  /** Takes the machine state that the log starts from; before the first entry. Close it. */
  public OutputStream stateStream() {
    return framer.stateStream();
  }

  @Override
  public void clock(long nanos) {
    framer.clock(nanos);
  }

  @Override
  public void append(LogEntry entry) {
    framer.append(entry);
  }

  /** Gives all entries so far to the operating system. */
  public void flush() {
    framer.flush();
  }

  private void frame(byte[] frameHeader, ByteBuffer body, long entries) throws IOException {
    write(ByteBuffer.wrap(frameHeader), body);
  }

  /** In one call, so that a crash cuts few frames. */
  private void write(ByteBuffer... pieces) throws IOException {
    while (pieces[pieces.length - 1].hasRemaining()) {
      file.write(pieces);
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
}
