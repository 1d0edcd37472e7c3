package lockstep.replay.log;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;

/**
 * The beginning of a log file: magic, version, and what a person wants to know of it as sorted
 * pairs. Nothing in the pairs is needed for a replay. Layout: docs/log-format.md.
 *
 * @param properties keys without '=' and line feeds, values without line feeds
 */
public record LogHeader(Map<String, String> properties) {
  /** The only version that this Lockstep reads and writes; another one is refused. */
  public static final int VERSION = 3;

  /** More than any description needs; bounds what a damaged length can ask for. */
  private static final int MAX_PROPERTIES_BYTES = 1 << 16;

  private static final byte[] MAGIC = "LKSTPLOG".getBytes(StandardCharsets.US_ASCII);
  private static final int FIXED_BYTES = 20;

  /** Checks the pairs and copies. */
  public LogHeader {
    properties = new TreeMap<>(properties);
    properties.forEach(
        (key, value) -> {
          if (key.isEmpty() || key.contains("=") || (key + value).contains("\n")) {
            throw new IllegalArgumentException("property '" + key + "'");
          }
        });
  }

  byte[] encode() {
    StringBuilder text = new StringBuilder();
    properties.forEach((key, value) -> text.append(key).append('=').append(value).append('\n'));
    byte[] pairs = text.toString().getBytes(StandardCharsets.UTF_8);
    if (pairs.length > MAX_PROPERTIES_BYTES) {
      throw new IllegalArgumentException("properties of " + pairs.length + " bytes");
    }
    ByteBuffer out = ByteBuffer.allocate(FIXED_BYTES + pairs.length).order(ByteOrder.LITTLE_ENDIAN);
    out.put(MAGIC).putShort((short) VERSION).putShort((short) 0).putInt(pairs.length);
    CRC32C crc = new CRC32C();
    crc.update(out.array(), 0, FIXED_BYTES - 4);
    crc.update(pairs);
    out.putInt((int) crc.getValue()).put(pairs);
    return out.array();
  }

  static LogHeader read(InputStream from) throws IOException {
    byte[] fixed = new byte[FIXED_BYTES];
    byte[] pairs;
    DataInputStream in = new DataInputStream(from);
    try {
      in.readFully(fixed, 0, MAGIC.length);
      for (int i = 0; i < MAGIC.length; i++) {
        if (fixed[i] != MAGIC[i]) {
          throw new LogFormatException("is no Lockstep log");
        }
      }
      in.readFully(fixed, MAGIC.length, FIXED_BYTES - MAGIC.length);
      ByteBuffer view = ByteBuffer.wrap(fixed).order(ByteOrder.LITTLE_ENDIAN);
      int version = view.getShort(8) & 0xffff;
      if (version != VERSION) {
        throw new LogFormatException(
            "is a log of version %d, and this Lockstep reads version %d"
                .formatted(version, VERSION),
            "read it with the Lockstep that wrote it, or record the run anew");
      }
      int length = view.getInt(12);
      if (length < 0 || length > MAX_PROPERTIES_BYTES) {
        throw new LogFormatException("has a damaged header (length " + length + ")");
      }
      pairs = new byte[length];
      in.readFully(pairs);
      CRC32C crc = new CRC32C();
      crc.update(fixed, 0, FIXED_BYTES - 4);
      crc.update(pairs);
      if ((int) crc.getValue() != view.getInt(FIXED_BYTES - 4)) {
        throw new LogFormatException("has a damaged header (checksum)");
      }
    } catch (EOFException e) {
      throw new LogFormatException("is too short for a Lockstep log");
    }
    return new LogHeader(parse(new String(pairs, StandardCharsets.UTF_8)));
  }

  private static Map<String, String> parse(String text) throws LogFormatException {
    Map<String, String> pairs = new TreeMap<>();
    for (String line : text.split("\n", -1)) {
      int equals = line.indexOf('=');
      if (equals > 0) {
        pairs.put(line.substring(0, equals), line.substring(equals + 1));
      } else if (!line.isEmpty()) {
        throw new LogFormatException("has a damaged header (property)");
      }
    }
    return pairs;
  }
}
