package lockstep.monitor.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import lockstep.monitor.boot.EntryRegisters.TableRegister;
import lockstep.monitor.state.Bytes;

/**
 * The first MiB as the loaders lay it out, and the tables a PC's firmware would have left there.
 * The addresses are free but for those a kernel looks at: the BIOS data area at 0x400, the extended
 * one it points to, and the first KiB, which Linux searches for an MP table first.
 */
final class LowMemory {
  static final int MP_TABLE = 0x300;
  static final int BIOS_DATA = 0x400;
  static final int GDT = 0x500;
  static final int BOOT_PARAMS = 0x7000;
  static final int STACK_TOP = 0x8ff0;
  static final int PAGE_TABLES = 0x9000;
  static final int MULTIBOOT_INFO = 0x10000;
  static final int MULTIBOOT_INFO_BYTES = 0x10000;
  static final int COMMAND_LINE = 0x20000;

  /** struct setup_data with SETUP_RNG_SEED (Documentation/x86/boot.rst, setup_data). */
  static final int SETUP_DATA = 0x600;

  private static final int SETUP_RNG_SEED = 9;
  private static final int SETUP_DATA_HEADER_BYTES = 16;

  /** Where usable low RAM ends: the extended BIOS data area begins, 1 KiB below 640 KiB. */
  static final int EBDA = 0x9fc00;

  static final int RESERVED_END = 0x100000;

  /** __BOOT_CS. */
  static final int CODE_SELECTOR = 0x10;

  /** __BOOT_DS. */
  static final int DATA_SELECTOR = 0x18;

  private static final int PAGE = 4096;
  private static final long FLAT_CODE_64 = 0x00af9b000000ffffL;
  private static final long FLAT_CODE_32 = 0x00cf9b000000ffffL;
  private static final long FLAT_DATA = 0x00cf93000000ffffL;

  private LowMemory() {}

  static ByteBuffer littleEndian(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  static LoadSegment gdt(boolean longMode) {
    ByteBuffer table = littleEndian(32);
    table.putLong(CODE_SELECTOR, longMode ? FLAT_CODE_64 : FLAT_CODE_32);
    table.putLong(DATA_SELECTOR, FLAT_DATA);
    return LoadSegment.of("GDT", GDT, table);
  }

  static TableRegister gdtRegister() {
    return new TableRegister(GDT, 31);
  }

  /** The random seed, as the only element of the setup_data list. */
  static LoadSegment seed(Bytes seed) {
    ByteBuffer data = littleEndian(SETUP_DATA_HEADER_BYTES + seed.size());
    data.putLong(0).putInt(SETUP_RNG_SEED).putInt(seed.size()).put(seed.toArray());
    return LoadSegment.of("random seed", SETUP_DATA, data);
  }

  /** The two words of the BIOS data area that kernels read: EBDA segment and base memory in KiB. */
  static LoadSegment biosData() {
    ByteBuffer area = littleEndian(0x100);
    area.putShort(0x0e, (short) (EBDA >> 4));
    area.putShort(0x13, (short) (EBDA >> 10));
    return LoadSegment.of("BIOS data area", BIOS_DATA, area);
  }

  /** Identity page tables for the first 4 GiB in pages of 2 MiB: one PML4, one PDPT, four PDs. */
  static LoadSegment identityPageTables() {
    int presentWritable = 0x3;
    int large = 0x80;
    ByteBuffer tables = littleEndian(6 * PAGE);
    tables.putLong(0, (PAGE_TABLES + PAGE) | presentWritable);
    for (int gib = 0; gib < 4; gib++) {
      tables.putLong(PAGE + 8 * gib, (PAGE_TABLES + (2 + gib) * PAGE) | presentWritable);
    }
    for (int page = 0; page < 4 * 512; page++) {
      tables.putLong(2 * PAGE + 8 * page, ((long) page << 21) | large | presentWritable);
    }
    return LoadSegment.of("page tables", PAGE_TABLES, tables);
  }

  /**
   * The smallest table of the Intel MultiProcessor Specification 1.4 that Linux accepts: the
   * floating pointer, the header, one enabled boot processor and one ISA bus.
   */
  static LoadSegment mpTable() {
    int pointerBytes = 16;
    int tableBytes = 44 + 20 + 8;
    int localApic = 0xfee00000;
    ByteBuffer area = littleEndian(pointerBytes + tableBytes);
    area.put("_MP_".getBytes(StandardCharsets.US_ASCII));
    area.putInt(MP_TABLE + pointerBytes);
    area.put((byte) 1).put((byte) 4);
    area.put(10, checksum(area, 0, pointerBytes));

    area.position(pointerBytes);
    area.put("PCMP".getBytes(StandardCharsets.US_ASCII)).putShort((short) tableBytes);
    area.put((byte) 4).put((byte) 0);
    area.put("LOCKSTEPVM          ".getBytes(StandardCharsets.US_ASCII));
    area.putInt(0).putShort((short) 0).putShort((short) 2).putInt(localApic).putInt(0);
    int enabledBootProcessor = 0x3;
    area.put((byte) 0).put((byte) 0).put((byte) 0x14).put((byte) enabledBootProcessor);
    area.putInt(0).putInt(0).putLong(0);
    area.put((byte) 1).put((byte) 0).put("ISA   ".getBytes(StandardCharsets.US_ASCII));
    area.put(pointerBytes + 7, checksum(area, pointerBytes, tableBytes));
    return LoadSegment.of("MP table", MP_TABLE, area);
  }

  private static byte checksum(ByteBuffer area, int from, int length) {
    int sum = 0;
    for (int i = from; i < from + length; i++) {
      sum += area.get(i);
    }
    return (byte) -sum;
  }
}
