package lockstep.monitor.snapshot;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * Reads what {@link SectionWriter} wrote, from anywhere: every length is bounded before room is
 * made for it, every checksum compared before a byte is used. Reads not one byte beyond the end
 * section.
 */
public final class SectionReader {
  /** Room is made as bytes arrive, so that a claimed length alone costs nothing. */
  private static final int ROOM_STEP_BYTES = 1 << 20;

  private final InputStream in;
  private final byte[] header = new byte[SectionWriter.SECTION_HEADER_BYTES];
  private final ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
  private final CRC32C crc = new CRC32C();
  private final CRC32C all = new CRC32C();
  private byte[] content = new byte[0];
  private int length;
  private long sections;

  /**
   * Reads the header.
   *
   * @throws SnapshotException when this is no snapshot, or one of another version
   */
  public SectionReader(InputStream in) throws IOException, SnapshotException {
    this.in = in;
    readHeader("its header");
    if (fields.getLong() != SectionWriter.MAGIC) {
      throw new SnapshotException("is not a Lockstep snapshot: it does not begin with LKSTSNAP");
    }
    int version = Short.toUnsignedInt(fields.getShort());
    int reserved = fields.getShort();
    if (fields.getInt() != checksum(header, SectionWriter.FILE_HEADER_BYTES - Integer.BYTES)) {
      throw new SnapshotException("is damaged: the checksum of its header is wrong");
    }
    if (version != SectionWriter.VERSION) {
      throw new SnapshotException(
          "has format version %d, and this Lockstep reads version %d"
              .formatted(version, SectionWriter.VERSION),
          "continue from it with the Lockstep that wrote it");
    }
    if (reserved != 0) {
      throw new SnapshotException("is damaged: a reserved field of its header is not zero");
    }
  }

  /** Reads the next section, which must be of this kind, and returns a copy of its content. */
  public byte[] section(SectionKind kind) throws IOException, SnapshotException {
    return section(next(), kind);
  }

  /** A copy of the content of the section just read, of a kind that must be this one. */
  public byte[] section(SectionKind found, SectionKind kind) throws SnapshotException {
    if (found != kind) {
      throw new SnapshotException("has a section %s where %s belongs".formatted(found, kind));
    }
    return Arrays.copyOf(content, length);
  }

  /** Reads the next section; its content is there until the following call. */
  public SectionKind next() throws IOException, SnapshotException {
    readHeader("section " + sections);
    int wire = Short.toUnsignedInt(fields.getShort());
    int reserved = fields.getShort();
    int claimed = fields.getInt();
    int contentChecksum = fields.getInt();
    if (fields.getInt() != checksum(header, SectionWriter.SECTION_HEADER_BYTES - Integer.BYTES)) {
      throw new SnapshotException(
          "is damaged: the checksum of section " + sections + "'s header is wrong");
    }
    SectionKind kind = kind(wire);
    if (reserved != 0 || claimed < 0 || claimed > kind.maxBytes()) {
      throw new SnapshotException(
          "is damaged: section %d, %s, claims %d bytes"
              .formatted(sections, kind, Integer.toUnsignedLong(claimed)));
    }
    readContent(kind, claimed);
    if (contentChecksum != checksum(content, length)) {
      throw new SnapshotException(
          "is damaged: the checksum of section %d, %s, is wrong".formatted(sections, kind));
    }
    if (kind == SectionKind.END) {
      checkEnd();
    }
    all.update(header, 0, SectionWriter.SECTION_HEADER_BYTES);
    sections++;
    return kind;
  }

  /** The last section's content; only its first {@link #length} bytes count. */
  byte[] content() {
    return content;
  }

  /** How long the last section is, in bytes. */
  int length() {
    return length;
  }

  /** Checksums over each section do not notice a section that is missing or came twice. */
  private void checkEnd() throws SnapshotException {
    if (length != SectionWriter.END_BYTES) {
      throw new SnapshotException("is damaged: its end has " + length + " bytes");
    }
    ByteBuffer end = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    long promised = end.getLong();
    if (promised != sections || end.getInt() != (int) all.getValue()) {
      throw new SnapshotException(
          "is damaged: of %d sections %d were read, or not in their order"
              .formatted(promised, sections));
    }
  }

  private SectionKind kind(int wire) throws SnapshotException {
    for (SectionKind kind : SectionKind.values()) {
      if (kind.wire() == wire) {
        return kind;
      }
    }
    throw new SnapshotException("is damaged: section %d is of kind %d".formatted(sections, wire));
  }

  private void readHeader(String what) throws IOException, SnapshotException {
    int read = in.readNBytes(header, 0, header.length);
    if (read < header.length) {
      throw cutOff(what, header.length - read);
    }
    fields.clear();
  }

  private void readContent(SectionKind kind, int claimed) throws IOException, SnapshotException {
    length = 0;
    while (length < claimed) {
      if (length == content.length) {
        content = Arrays.copyOf(content, Math.min(claimed, length + ROOM_STEP_BYTES));
      }
      int wanted = Math.min(claimed, content.length) - length;
      int read = in.readNBytes(content, length, wanted);
      length += read;
      if (read < wanted) {
        throw cutOff("section %d, %s,".formatted(sections, kind), claimed - length);
      }
    }
  }

  private static SnapshotException cutOff(String what, int missing) {
    return new SnapshotException("is cut off: %s lacks %d bytes".formatted(what, missing));
  }

  private int checksum(byte[] bytes, int count) {
    crc.reset();
    crc.update(bytes, 0, count);
    return (int) crc.getValue();
  }
}
