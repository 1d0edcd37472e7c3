package lockstep.storage.scsi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.state.Bytes;

/**
 * What a disk says of itself.
 *
 * @param product vendor and product, for people
 * @param geometry its size and abilities
 * @param fua writes with FUA are known there
 * @param maxBlocks the most that one read or write may carry; {@code Integer.MAX_VALUE} for any
 * @param maxUnmapBlocks the most that one UNMAP may name; {@code Integer.MAX_VALUE} for any
 */
public record UnitFacts(
    String product, Geometry geometry, boolean fua, int maxBlocks, int maxUnmapBlocks) {
  private static final int TIMEOUT_MILLIS = 10_000;
  private static final int LEAST_INQUIRY_BYTES = 36;
  private static final int LEAST_CAPACITY_BYTES = 12;
  private static final int NO_UNIT = 0x7f;
  private static final int WRITE_PROTECTED = 0x80;
  private static final int DPO_FUA = 0x10;
  private static final int PROVISIONED = 0x80;
  private static final int UNMAP_KNOWN = 0x80;

  /**
   * Asks a disk.
   *
   * @throws IOException when it does not answer, or is none; one line
   */
  public static UnitFacts of(ScsiTransport unit) throws IOException {
    ScsiCalls calls = new ScsiCalls(unit, TIMEOUT_MILLIS);
    Bytes inquiry = calls.data("INQUIRY", BlockCommands.inquiry(), BlockCommands.INQUIRY_BYTES);
    if (inquiry.size() < LEAST_INQUIRY_BYTES) {
      throw new MalformedReply("INQUIRY", inquiry);
    }
    if (inquiry.at(0) == NO_UNIT) {
      throw new IOException(unit.name() + ": no such LUN");
    }
    if ((inquiry.at(0) & 0x1f) != 0) {
      throw new IOException(
          "%s is not a disk but a device of type 0x%02x"
              .formatted(unit.name(), inquiry.at(0) & 0x1f));
    }
    Bytes capacity =
        calls.data("READ CAPACITY", BlockCommands.readCapacity(), BlockCommands.CAPACITY_BYTES);
    if (capacity.size() < LEAST_CAPACITY_BYTES) {
      throw new MalformedReply("READ CAPACITY", capacity);
    }
    ByteBuffer in = capacity.asBuffer();
    boolean provisioned = capacity.size() > 14 && (capacity.at(14) & PROVISIONED) != 0;
    Bytes provisioning = provisioned ? page(calls, BlockCommands.PAGE_PROVISIONING) : Bytes.empty();
    boolean unmap = provisioning.size() > 5 && (provisioning.at(5) & UNMAP_KNOWN) != 0;
    Bytes limits = page(calls, BlockCommands.PAGE_BLOCK_LIMITS);
    Bytes mode = optional(calls, BlockCommands.modeSense(), BlockCommands.MODE_BYTES);
    int specific = mode.size() > 3 ? mode.at(3) : 0;
    return new UnitFacts(
        text(inquiry, 8, 8) + " " + text(inquiry, 16, 16),
        geometry(unit, in.getLong(0), in.getInt(8), (specific & WRITE_PROTECTED) != 0, unmap),
        (specific & DPO_FUA) != 0,
        limit(limits, 8),
        limit(limits, 20));
  }

  private static Geometry geometry(
      ScsiTransport unit, long lastBlock, int blockBytes, boolean readOnly, boolean unmap)
      throws IOException {
    try {
      return new Geometry(
          Math.multiplyExact(Math.addExact(lastBlock, 1), blockBytes),
          blockBytes,
          readOnly,
          unmap && !readOnly);
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new IOException(unit.name() + ": " + e.getMessage(), e);
    }
  }

  private static Bytes page(ScsiCalls calls, int page) throws IOException {
    Bytes data = optional(calls, BlockCommands.inquiry(page), BlockCommands.INQUIRY_BYTES);
    return data.size() > 1 && data.at(1) == page ? data : Bytes.empty();
  }

  /** The data of a command that a disk need not know. */
  private static Bytes optional(ScsiCalls calls, Bytes cdb, int bytes) throws IOException {
    ScsiReply reply = calls.call(cdb, Bytes.empty(), bytes);
    return reply.good() ? reply.data() : Bytes.empty();
  }

  private static int limit(Bytes limits, int at) {
    long value =
        limits.size() < at + Integer.BYTES
            ? 0
            : Integer.toUnsignedLong(limits.asBuffer().getInt(at));
    return value == 0 ? Integer.MAX_VALUE : (int) Math.min(value, Integer.MAX_VALUE);
  }

  private static String text(Bytes from, int at, int length) {
    byte[] part = new byte[length];
    from.asBuffer().get(at, part);
    return new String(part, StandardCharsets.US_ASCII).replaceAll("[^ -~]", "?").strip();
  }
}
