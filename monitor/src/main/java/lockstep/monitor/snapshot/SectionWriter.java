package lockstep.monitor.snapshot;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/**
 * Writes the header of a snapshot and its sections. All numbers are little-endian, all checksums
 * CRC-32C (docs/snapshot-format.md). Does not buffer beyond a section and closes nothing.
 */
public final class SectionWriter {
  /** The first eight bytes of every snapshot. */
  static final long MAGIC =
      ByteBuffer.wrap("LKSTSNAP".getBytes(StandardCharsets.US_ASCII))
          .order(ByteOrder.LITTLE_ENDIAN)
          .getLong();

  /** Changes with every change of any byte's meaning. */
  public static final int VERSION = 3;

  static final int FILE_HEADER_BYTES = 16;
  static final int SECTION_HEADER_BYTES = 16;
  static final int END_BYTES = 12;

  private final OutputStream out;
  private final byte[] header = new byte[SECTION_HEADER_BYTES];
  private final ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
  private final CRC32C crc = new CRC32C();
  private final CRC32C all = new CRC32C();
  private long sections;

  /** Writes the header. */
  public SectionWriter(OutputStream out) throws IOException {
    this.out = out;
    fields.clear().putLong(MAGIC).putShort((short) VERSION).putShort((short) 0);
    fields.putInt(checksum(header, 0, fields.position()));
    out.write(header, 0, FILE_HEADER_BYTES);
  }

  /** Writes one section. */
  public void section(SectionKind kind, byte[] content) throws IOException {
    section(kind, content, content.length);
  }

  /** Writes one section from the front of an array. */
  void section(SectionKind kind, byte[] content, int length) throws IOException {
    if (length > kind.maxBytes()) {
      throw new IllegalArgumentException(kind + " section of " + length + " bytes");
    }
    fields.clear().putShort((short) kind.wire()).putShort((short) 0).putInt(length);
    fields.putInt(checksum(content, 0, length));
    fields.putInt(checksum(header, 0, fields.position()));
    all.update(header, 0, SECTION_HEADER_BYTES);
    sections++;
    out.write(header, 0, SECTION_HEADER_BYTES);
    out.write(content, 0, length);
  }

  /** Writes the last section; nothing may follow. */
  public void end() throws IOException {
    byte[] content = new byte[END_BYTES];
    ByteBuffer.wrap(content)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(sections)
        .putInt((int) all.getValue());
    section(SectionKind.END, content);
  }

  private int checksum(byte[] bytes, int offset, int length) {
    crc.reset();
    crc.update(bytes, offset, length);
    return (int) crc.getValue();
  }
}
