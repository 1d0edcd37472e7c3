package lockstep.storage.scsi;

import java.nio.ByteBuffer;
import lockstep.monitor.state.Bytes;

/** The commands of disks as bytes (SBC-3, chapter 5; SPC-4, chapter 6). */
public final class BlockCommands {
  /** READ CAPACITY (16): what to ask for. */
  public static final int CAPACITY_BYTES = 32;

  /** INQUIRY: what to ask for. */
  public static final int INQUIRY_BYTES = 252;

  /** MODE SENSE (10) without pages: what to ask for. */
  public static final int MODE_BYTES = 8;

  /** VPD page: block limits. */
  public static final int PAGE_BLOCK_LIMITS = 0xb0;

  /** VPD page: logical block provisioning. */
  public static final int PAGE_PROVISIONING = 0xb2;

  private static final int FUA = 0x08;
  private static final int UNMAP_HEADER_BYTES = 8;
  private static final int UNMAP_RANGE_BYTES = 16;

  private BlockCommands() {}

  /** READ (16) or WRITE (16). */
  public static Bytes transfer(boolean write, boolean fua, long block, int blocks) {
    ByteBuffer cdb = ByteBuffer.allocate(16);
    cdb.put(0, (byte) (write ? 0x8a : 0x88)).put(1, (byte) (fua ? FUA : 0));
    cdb.putLong(2, block).putInt(10, blocks);
    return Bytes.copyOf(cdb.array());
  }

  /** SYNCHRONIZE CACHE (10) of the whole disk. */
  public static Bytes synchronizeCache() {
    return Bytes.copyOf(ByteBuffer.allocate(10).put(0, (byte) 0x35).array());
  }

  /** UNMAP; its data is {@link #unmapRange}. */
  public static Bytes unmap() {
    ByteBuffer cdb = ByteBuffer.allocate(10).put(0, (byte) 0x42);
    return Bytes.copyOf(cdb.putShort(7, (short) (UNMAP_HEADER_BYTES + UNMAP_RANGE_BYTES)).array());
  }

  /** The data of an UNMAP of one range. */
  public static Bytes unmapRange(long block, int blocks) {
    ByteBuffer list = ByteBuffer.allocate(UNMAP_HEADER_BYTES + UNMAP_RANGE_BYTES);
    list.putShort(0, (short) (UNMAP_HEADER_BYTES + UNMAP_RANGE_BYTES - 2));
    list.putShort(2, (short) UNMAP_RANGE_BYTES).putLong(8, block).putInt(16, blocks);
    return Bytes.copyOf(list.array());
  }

  /** READ CAPACITY (16). */
  public static Bytes readCapacity() {
    ByteBuffer cdb = ByteBuffer.allocate(16).put(0, (byte) 0x9e).put(1, (byte) 0x10);
    return Bytes.copyOf(cdb.putInt(10, CAPACITY_BYTES).array());
  }

  /** INQUIRY for standard data. */
  public static Bytes inquiry() {
    return Bytes.copyOf(
        ByteBuffer.allocate(6).put(0, (byte) 0x12).putShort(3, (short) INQUIRY_BYTES).array());
  }

  /** INQUIRY for a page of vital product data. */
  public static Bytes inquiry(int page) {
    ByteBuffer cdb = ByteBuffer.allocate(6).put(0, (byte) 0x12).put(1, (byte) 1);
    return Bytes.copyOf(cdb.put(2, (byte) page).putShort(3, (short) INQUIRY_BYTES).array());
  }

  /** MODE SENSE (10) for the caching page, of which only the header matters here. */
  public static Bytes modeSense() {
    ByteBuffer cdb = ByteBuffer.allocate(10).put(0, (byte) 0x5a).put(1, (byte) 0x08);
    return Bytes.copyOf(cdb.put(2, (byte) 0x08).putShort(7, (short) MODE_BYTES).array());
  }

  /** TEST UNIT READY. */
  public static Bytes testUnitReady() {
    return Bytes.copyOf(new byte[6]);
  }
}
