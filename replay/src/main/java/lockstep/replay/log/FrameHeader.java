package lockstep.replay.log;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * What stands before each frame's body (docs/log-format.md).
 *
 * @param type what the body holds
 * @param bodyBytes its length
 * @param bodyChecksum its CRC-32C
 * @param firstEntry number of the first entry that ends in this frame
 * @param entries how many end in it
 */
record FrameHeader(Type type, int bodyBytes, int bodyChecksum, long firstEntry, int entries) {
  static final int BYTES = 32;

  /** Keeps what a damaged file can ask for small, and one write short. */
  static final int MAX_BODY_BYTES = 1 << 20;

  private static final int MAGIC = 0x52464b4c; // "LKFR"
  private static final int CHECKED_BYTES = BYTES - 4;

  /** Kinds of frames. */
  enum Type {
    /** A piece of the machine state that the log starts from. */
    STATE(1),
    ENTRIES(2);

    private final int wire;

    Type(int wire) {
      this.wire = wire;
    }
  }

  static int checksum(byte[] bytes, int length) {
    return checksum(bytes, 0, length);
  }

  static int checksum(byte[] bytes, int from, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, from, length);
    return (int) crc.getValue();
  }

  /** Of what is left in a buffer, whose position moves. */
  static int checksum(ByteBuffer bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes);
    return (int) crc.getValue();
  }

  byte[] encode() {
    ByteBuffer out = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(MAGIC).putInt(type.wire).putInt(bodyBytes).putInt(bodyChecksum);
    out.putLong(firstEntry).putInt(entries).putInt(checksum(out.array(), CHECKED_BYTES));
    return out.array();
  }

  /** The header in these bytes; empty when they are none. */
  static Optional<FrameHeader> decode(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (in.getInt() != MAGIC || in.getInt(CHECKED_BYTES) != checksum(bytes, CHECKED_BYTES)) {
      return Optional.empty();
    }
    int wire = in.getInt();
    int bodyBytes = in.getInt();
    int bodyChecksum = in.getInt();
    long firstEntry = in.getLong();
    int entries = in.getInt();
    if (bodyBytes < 0 || bodyBytes > MAX_BODY_BYTES || firstEntry < 0 || entries < 0) {
      return Optional.empty();
    }
    for (Type type : Type.values()) {
      if (type.wire == wire) {
        return Optional.of(new FrameHeader(type, bodyBytes, bodyChecksum, firstEntry, entries));
      }
    }
    return Optional.empty();
  }
}
