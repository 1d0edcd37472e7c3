package lockstep.monitor.boot;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;

/** Makes small but well-formed kernel files for tests. */
final class KernelFiles {
  static final long KERNEL_PADDR = 0x1000000;
  static final long KERNEL_VADDR = 0xffffffff81000000L;
  static final int TEXT_OFFSET = 0x1000;

  private KernelFiles() {}

  static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  static byte[] bytes(ByteBuffer buffer) {
    byte[] out = new byte[buffer.capacity()];
    buffer.get(0, out);
    return out;
  }

  /** A vmlinux of one segment at 16 MiB with the given text and 1 MiB of bss. */
  static byte[] vmlinux(byte[] text) {
    byte[] names = "\0.text\0.shstrtab\0".getBytes(StandardCharsets.US_ASCII);
    int namesAt = TEXT_OFFSET + text.length;
    int sectionsAt = (namesAt + names.length + 7) & -8;
    ByteBuffer elf = buffer(sectionsAt + 3 * 64);
    elf.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1});
    elf.putShort(16, (short) 2).putShort(18, (short) 62).putInt(20, 1);
    elf.putLong(24, KERNEL_PADDR).putLong(32, 64).putLong(40, sectionsAt);
    elf.putShort(52, (short) 64).putShort(54, (short) 56).putShort(56, (short) 1);
    elf.putShort(58, (short) 64).putShort(60, (short) 3).putShort(62, (short) 2);
    elf.position(64);
    elf.putInt(1).putInt(7).putLong(TEXT_OFFSET).putLong(KERNEL_VADDR).putLong(KERNEL_PADDR);
    elf.putLong(text.length).putLong(text.length + (1 << 20)).putLong(0x200000);
    elf.put(TEXT_OFFSET, text).put(namesAt, names);
    section(elf, sectionsAt + 64, 1, 1, 0x6, KERNEL_VADDR, TEXT_OFFSET, text.length);
    section(elf, sectionsAt + 128, 7, 3, 0, 0, namesAt, names.length);
    return bytes(elf);
  }

  private static void section(
      ByteBuffer elf, int at, int name, int type, long flags, long address, int offset, int size) {
    elf.putInt(at, name).putInt(at + 4, type).putLong(at + 8, flags).putLong(at + 16, address);
    elf.putLong(at + 24, offset).putLong(at + 32, size);
  }

  /** A bzImage around a packed payload that already ends in the unpacked size. */
  static byte[] bzImage(byte[] payload) {
    int protectedMode = 2 * 512;
    int payloadOffset = 0x100;
    ByteBuffer image = buffer(protectedMode + payloadOffset + payload.length);
    image.put(0x1f1, (byte) 1).putShort(0x1fe, (short) 0xaa55);
    image.putShort(0x200, (short) 0x6aeb);
    image.putInt(0x202, 0x53726448).putShort(0x206, (short) 0x20f);
    image.put(0x211, (byte) 1).putInt(0x22c, 0x7fffffff).putInt(0x230, 0x200000);
    image.put(0x234, (byte) 1).putShort(0x236, (short) 0x3f).putInt(0x238, 2047);
    image.putInt(0x248, payloadOffset).putInt(0x24c, payload.length);
    image.putLong(0x258, KERNEL_PADDR).putInt(0x260, 4 << 20);
    image.put(protectedMode + payloadOffset, payload);
    return bytes(image);
  }

  static byte[] gzip(byte[] plain) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream packing = new GZIPOutputStream(out)) {
      packing.write(plain);
    }
    return out.toByteArray();
  }

  /** Appends the unpacked size, as scripts/Makefile.lib does for all but gzip. */
  static byte[] withSize(byte[] packed, int plainBytes) {
    return bytes(buffer(packed.length + 4).put(packed).putInt(plainBytes));
  }

  /** A 32-bit Multiboot ELF kernel at 1 MiB: header first, then code. */
  static byte[] multibootElf(int flags) {
    int code = 0x1000;
    ByteBuffer elf = buffer(code + 64);
    elf.put(new byte[] {0x7f, 'E', 'L', 'F', 1, 1, 1});
    elf.putShort(16, (short) 2).putShort(18, (short) 3).putInt(20, 1);
    elf.putInt(24, 0x10000c).putInt(28, 52).putShort(40, (short) 52);
    elf.putShort(42, (short) 32).putShort(44, (short) 1);
    elf.position(52);
    for (int field : List.of(1, code, 0x100000, 0x100000, 64, 0x3000, 7, 0x1000)) {
      elf.putInt(field);
    }
    elf.putInt(code, 0x1badb002).putInt(code + 4, flags).putInt(code + 8, -(0x1badb002 + flags));
    elf.put(code + 12, (byte) 0xf4);
    return bytes(elf);
  }

  /** The same without ELF: the header's address fields say where it goes. */
  static byte[] multibootRaw(int loadEnd, int bssEnd) {
    ByteBuffer raw = buffer(0x200);
    int flags = 0x10003;
    raw.putInt(0x40, 0x1badb002).putInt(0x44, flags).putInt(0x48, -(0x1badb002 + flags));
    raw.putInt(0x4c, 0x200040).putInt(0x50, 0x200000).putInt(0x54, loadEnd);
    raw.putInt(0x58, bssEnd).putInt(0x5c, 0x200060);
    return bytes(raw);
  }

  static byte[] flat(int size) {
    return bytes(buffer(size).put(0, (byte) 0xf4).putShort(510, (short) 0xaa55));
  }

  /** Where recipes leave the kernels they build. */
  static Path cache() {
    String own = System.getenv("LOCKSTEP_CACHE");
    if (own != null) {
      return Path.of(own);
    }
    String shared = System.getenv("XDG_CACHE_HOME");
    Path base =
        shared != null ? Path.of(shared) : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("lockstep");
  }

  /** Every ELF kernel in the cache, by its name: vmlinux, with or without something after it. */
  static List<Path> cachedKernels() throws IOException {
    if (!Files.isDirectory(cache())) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(cache(), 4)) {
      return files
          .filter(file -> file.getFileName().toString().matches("vmlinux([.-][^.]*)?"))
          .filter(Files::isRegularFile)
          .sorted()
          .toList();
    }
  }
}
