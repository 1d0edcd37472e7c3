package lockstep.monitor.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import lockstep.monitor.boot.CpuEntry.Long64;
import lockstep.monitor.boot.CpuEntry.Protected32;
import lockstep.monitor.boot.CpuEntry.RealMode;
import org.junit.jupiter.api.Test;

/** What the guest finds in memory and registers, for each kind of kernel. */
final class BootImagesTest {
  private static final int MIB = 1 << 20;
  private static final byte[] TEXT = {(byte) 0xf4, 0x0f, 0x31, (byte) 0xc3};

  @Test
  void vmlinuxIsEnteredAtItsPhysicalAddressWithBootParams() throws Exception {
    BootFile initrd = BootFile.of("initrd", new byte[5000]);
    BootConfig config = BootConfig.of(64 * MIB, "quiet").withInitrd(initrd);
    Loaded loaded = load(KernelFiles.vmlinux(TEXT), config);
    Long64 entry = assertInstanceOf(Long64.class, loaded.image.entry());
    EntryRegisters registers = entry.registers();
    assertEquals(KernelFiles.KERNEL_PADDR, registers.rip());
    assertEquals(0x80000011L, registers.cr0());
    assertEquals(0x10, registers.cs().selector());
    assertTrue(registers.cs().longMode());
    assertEquals(0x18, registers.ds().selector());

    ByteBuffer ram = loaded.ram;
    assertEquals(0xf4, ram.get(0x1000000) & 0xff, "kernel text");
    assertEquals(0, ram.get(0x1000000 + TEXT.length), "bss is zero");
    int params = (int) registers.rsi();
    assertEquals(0x53726448, ram.getInt(params + 0x202));
    assertEquals("quiet", string(ram, ram.getInt(params + 0x228)));
    assertEquals(64 * MIB - 8192, ram.getInt(params + 0x218), "initrd page-aligned at the top");
    assertEquals(5000, ram.getInt(params + 0x21c));
    assertEquals(3, ram.get(params + 0x1e8));
    assertE820(ram, params, 0, 0, 0x9fc00, 1);
    assertE820(ram, params, 1, 0x9fc00, 0x60400, 2);
    assertE820(ram, params, 2, MIB, 63 * MIB, 1);
  }

  @Test
  void e820RangesCoverEachKindOfMemoryOnce() throws Exception {
    BootImage image =
        BootImages.load(BootFile.of("k", KernelFiles.vmlinux(TEXT)), BootConfig.of(5L << 30, ""));
    ByteBuffer params = content(image, "boot_params");
    assertEquals(4, params.get(0x1e8));
    assertE820(params, 0, 2, MIB, (3L << 30) - MIB, 1);
    assertE820(params, 0, 3, 4L << 30, 2L << 30, 1);
  }

  @Test
  void identityPageTablesMapFourGib() throws Exception {
    Loaded loaded = load(KernelFiles.vmlinux(TEXT), BootConfig.of(64 * MIB, ""));
    int pml4 = (int) loaded.image.entry().registers().cr3();
    for (long address : new long[] {0, 0x1234567, 0xffffffffL, 0x80000000L}) {
      assertEquals(address, walk(loaded.ram, pml4, address));
    }
  }

  @Test
  void bzImageIsUnpackedFromEveryFormat() throws Exception {
    byte[] plain = KernelFiles.vmlinux(new byte[3 * MIB]);
    byte[] expected =
        load(plain, BootConfig.of(64 * MIB, "")).image.segments().stream()
            .filter(segment -> segment.label().equals("kernel"))
            .findFirst()
            .orElseThrow()
            .content();
    for (Packing packing : Packing.values()) {
      byte[] payload = packing.pack(plain);
      Loaded loaded = load(KernelFiles.bzImage(payload), BootConfig.of(64 * MIB, "x"));
      byte[] placed = new byte[expected.length];
      loaded.ram.get(0x1000000, placed);
      assertEquals(ByteBuffer.wrap(expected), ByteBuffer.wrap(placed), packing.name());
      int params = (int) loaded.image.entry().registers().rsi();
      assertEquals(0x200000, loaded.ram.getInt(params + 0x230), "setup header copied");
    }
  }

  @Test
  void mpTableAndEbdaAreWhereLinuxLooksFirst() throws Exception {
    Loaded loaded = load(KernelFiles.vmlinux(TEXT), BootConfig.of(64 * MIB, ""));
    ByteBuffer ram = loaded.ram;
    assertEquals("_MP_", ascii(ram, 0x300, 4));
    assertEquals(0, sum(ram, 0x300, 16));
    int table = ram.getInt(0x304);
    assertEquals("PCMP", ascii(ram, table, 4));
    assertEquals(0, sum(ram, table, ram.getShort(table + 4)));
    assertEquals(0x9fc0, ram.getShort(0x40e) & 0xffff);
    assertEquals(639, ram.getShort(0x413));
    Loaded without =
        load(KernelFiles.vmlinux(TEXT), BootConfig.of(64 * MIB, "").withMpTable(false));
    assertEquals(0, without.ram.getInt(0x300));
  }

  @Test
  void multibootKernelGetsMagicModulesAndMemoryMap() throws Exception {
    BootModule module = new BootModule(BootFile.of("m", new byte[] {1, 2, 3}), "m one");
    BootConfig config = BootConfig.of(16 * MIB, "hi there").withModules(List.of(module));
    Loaded loaded = load(KernelFiles.multibootElf(3), config);
    Protected32 entry = assertInstanceOf(Protected32.class, loaded.image.entry());
    assertEquals(0x10000c, entry.eip());
    assertEquals(0x2badb002L, entry.eax());
    assertEquals(0x11, entry.registers().cr0());
    assertTrue(entry.registers().cs().default32());
    ByteBuffer ram = loaded.ram;
    assertEquals(0xf4, ram.get(0x10000c) & 0xff);
    int info = (int) entry.ebx();
    assertEquals(0x24d, ram.getInt(info));
    assertEquals(639, ram.getInt(info + 4));
    assertEquals(15 * 1024, ram.getInt(info + 8));
    assertEquals("hi there", string(ram, ram.getInt(info + 16)));
    assertEquals(1, ram.getInt(info + 20));
    int list = ram.getInt(info + 24);
    assertEquals(0x103000, ram.getInt(list), "page-aligned after the bss");
    assertEquals(0x103003, ram.getInt(list + 4));
    assertEquals("m one", string(ram, ram.getInt(list + 8)));
    assertEquals(3, ram.get(0x103002));
    int map = ram.getInt(info + 48);
    assertEquals(72, ram.getInt(info + 44));
    assertEquals(20, ram.getInt(map + 48));
    assertEquals(MIB, ram.getLong(map + 52));
    assertEquals(15 * MIB, ram.getLong(map + 60));
    assertEquals("lockstep", string(ram, ram.getInt(info + 64)));
  }

  @Test
  void multibootAddressFieldsPlaceARawKernel() throws Exception {
    Loaded loaded = load(KernelFiles.multibootRaw(0x200100, 0x202000), BootConfig.of(16 * MIB, ""));
    assertEquals(0x200060, loaded.image.entry().registers().rip());
    LoadSegment kernel = segment(loaded.image, "kernel");
    assertEquals(0x200000, kernel.gpa());
    assertEquals(0x100, kernel.fileBytes());
    assertEquals(0x2000, kernel.memoryBytes());
    Loaded whole = load(KernelFiles.multibootRaw(0, 0), BootConfig.of(16 * MIB, ""));
    assertEquals(0x200, segment(whole.image, "kernel").fileBytes());
  }

  @Test
  void flatImageStartsInRealModeAt7c00() throws Exception {
    Loaded loaded = load(KernelFiles.flat(1000), BootConfig.of(2 * MIB, ""));
    assertInstanceOf(RealMode.class, loaded.image.entry());
    EntryRegisters registers = loaded.image.entry().registers();
    assertEquals(0x7c00, registers.rip());
    assertEquals(0, registers.cs().selector());
    assertEquals(0x80, registers.rdx());
    assertEquals(0x10, registers.cr0());
    assertEquals(0xf4, loaded.ram.get(0x7c00) & 0xff);
  }

  private record Loaded(BootImage image, ByteBuffer ram) {}

  private static Loaded load(byte[] kernel, BootConfig config) throws BootException {
    BootImage image = BootImages.load(BootFile.of("kernel", kernel), config);
    ByteBuffer memory = KernelFiles.buffer((int) config.ram().sizeBytes());
    image.writeTo(
        new GuestRam() {
          @Override
          public long sizeBytes() {
            return memory.capacity();
          }

          @Override
          public void write(long gpa, byte[] source, int offset, int length) {
            memory.put((int) gpa, source, offset, length);
          }

          @Override
          public void zero(long gpa, long length) {
            memory.put((int) gpa, new byte[(int) length]);
          }
        });
    return new Loaded(image, memory);
  }

  private static LoadSegment segment(BootImage image, String label) {
    return image.segments().stream()
        .filter(segment -> segment.label().equals(label))
        .findFirst()
        .orElseThrow();
  }

  private static ByteBuffer content(BootImage image, String label) {
    byte[] bytes = segment(image, label).content();
    return KernelFiles.buffer(bytes.length).put(0, bytes);
  }

  private static void assertE820(
      ByteBuffer ram, int params, int index, long from, long length, int type) {
    int at = params + 0x2d0 + 20 * index;
    assertEquals(from, ram.getLong(at));
    assertEquals(length, ram.getLong(at + 8));
    assertEquals(type, ram.getInt(at + 16));
  }

  private static long walk(ByteBuffer ram, int pml4, long address) {
    long mask = 0x000f_ffff_ffff_f000L;
    long pdpt = ram.getLong(pml4 + 8 * (int) (address >> 39 & 511)) & mask;
    long pd = ram.getLong((int) pdpt + 8 * (int) (address >> 30 & 511)) & mask;
    long entry = ram.getLong((int) pd + 8 * (int) (address >> 21 & 511));
    assertEquals(0x83, entry & 0xfff);
    return (entry & mask) | (address & 0x1fffff);
  }

  private static int sum(ByteBuffer ram, int from, int length) {
    int sum = 0;
    for (int i = 0; i < length; i++) {
      sum += ram.get(from + i);
    }
    return sum & 0xff;
  }

  private static String ascii(ByteBuffer ram, int at, int length) {
    byte[] bytes = new byte[length];
    ram.get(at, bytes);
    return new String(bytes, StandardCharsets.US_ASCII);
  }

  private static String string(ByteBuffer ram, int at) {
    int end = at;
    while (ram.get(end) != 0) {
      end++;
    }
    return ascii(ram, at, end - at);
  }

  /** How kernels are packed; the payload ends in the unpacked size. */
  enum Packing {
    GZIP,
    XZ,
    LZMA,
    ZSTD,
    LZ4,
    BZIP2;

    byte[] pack(byte[] plain) throws Exception {
      if (this == GZIP) {
        return KernelFiles.gzip(plain);
      }
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      if (this == LZ4) {
        packLz4(plain, out);
      } else {
        try (OutputStream packing = stream(out, plain.length)) {
          packing.write(plain);
        }
      }
      return KernelFiles.withSize(out.toByteArray(), plain.length);
    }

    private OutputStream stream(OutputStream out, int plainBytes) throws Exception {
      return switch (this) {
        case XZ ->
            new org.tukaani.xz.XZOutputStream(
                out,
                new org.tukaani.xz.FilterOptions[] {
                  new org.tukaani.xz.X86Options(), new org.tukaani.xz.LZMA2Options()
                },
                org.tukaani.xz.XZ.CHECK_CRC32);
        case LZMA ->
            new org.tukaani.xz.LZMAOutputStream(out, new org.tukaani.xz.LZMA2Options(), -1);
        case ZSTD -> new com.github.luben.zstd.ZstdOutputStreamNoFinalizer(out);
        case BZIP2 ->
            new org.apache.commons.compress.compressors.bzip2.BZip2CompressorOutputStream(out);
        case GZIP, LZ4 -> throw new IllegalStateException(name() + " of " + plainBytes);
      };
    }

    private static void packLz4(byte[] plain, ByteArrayOutputStream out) throws Exception {
      out.write(bytes(0x184c2102));
      for (int at = 0; at < plain.length; at += 8 << 20) {
        ByteArrayOutputStream block = new ByteArrayOutputStream();
        try (var packing =
            new org.apache.commons.compress.compressors.lz4.BlockLZ4CompressorOutputStream(block)) {
          packing.write(plain, at, Math.min(8 << 20, plain.length - at));
        }
        out.write(bytes(block.size()));
        block.writeTo(out);
      }
    }

    private static byte[] bytes(int value) {
      return KernelFiles.bytes(KernelFiles.buffer(4).putInt(value));
    }
  }
}
