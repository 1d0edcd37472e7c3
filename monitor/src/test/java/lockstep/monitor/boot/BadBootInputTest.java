package lockstep.monitor.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Each bad input is told in one line that names the file, the problem and the remedy. */
final class BadBootInputTest {
  private static final long MIB = 1 << 20;
  private static final BootConfig CONFIG = BootConfig.of(64 * MIB, "");
  private static final byte[] TEXT = new byte[64];

  private record Case(String name, BootFile kernel, BootConfig config, String expected) {
    static Case of(String name, byte[] kernel, BootConfig config, String expected) {
      return new Case(name, BootFile.of("kernel", kernel), config, expected);
    }
  }

  @TestFactory
  Stream<DynamicTest> badInputIsOneClearLine() throws Exception {
    byte[] vmlinux = KernelFiles.vmlinux(TEXT);
    return Stream.of(
            damagedKernels(vmlinux), badRequests(vmlinux), badPacking(vmlinux), badMultiboot())
        .flatMap(List::stream)
        .map(c -> DynamicTest.dynamicTest(c.name, () -> check(c)));
  }

  /** Files that are no kernel, or one that is cut, damaged or of another machine. */
  private static List<Case> damagedKernels(byte[] vmlinux) throws Exception {
    byte[] bzImage = KernelFiles.bzImage(KernelFiles.gzip(vmlinux));
    return List.of(
        Case.of("empty", new byte[0], CONFIG, "is empty"),
        Case.of(
            "text",
            "hello\n".repeat(200).getBytes(StandardCharsets.US_ASCII),
            CONFIG,
            "is not a kernel"),
        Case.of("ELF cut", Arrays.copyOf(vmlinux, 100), CONFIG, "truncated"),
        Case.of("ELF tail cut", Arrays.copyOf(vmlinux, 0x1010), CONFIG, "truncated"),
        Case.of("ELF magic alone", Arrays.copyOf(vmlinux, 4), CONFIG, "truncated"),
        Case.of("bzImage cut", Arrays.copyOf(bzImage, 0x210), CONFIG, "truncated"),
        Case.of("bzImage tail cut", Arrays.copyOf(bzImage, 0x510), CONFIG, "truncated"),
        edit("32-bit bzImage", bzImage, b -> b.putShort(0x236, (short) 0), "32-bit Linux"),
        edit("old bzImage", bzImage, b -> b.putShort(0x206, (short) 0x204), "2.04 is too old"),
        edit("zImage", bzImage, b -> b.put(0x211, (byte) 0), "zImage"),
        edit("no ELF class", vmlinux, b -> b.put(4, (byte) 7), "not a kernel"),
        edit("other machine", vmlinux, b -> b.putShort(18, (short) 183), "machine 183"),
        edit("object file", vmlinux, b -> b.putShort(16, (short) 1), "not an executable"),
        edit("entry outside", vmlinux, b -> b.putLong(24, 0x123), "entry 0x123 outside"),
        edit("32-bit ELF", vmlinux, b -> b.put(4, (byte) 1), "32-bit ELF"),
        edit("data sizes", vmlinux, b -> b.putLong(64 + 40, 1), "not a kernel"),
        edit("over page tables", vmlinux, b -> b.putLong(64 + 24, 0x9000), "lies over"));
  }

  /** Good kernels, and something asked of them that cannot be. */
  private static List<Case> badRequests(byte[] vmlinux) throws Exception {
    return List.of(
        Case.of("RAM too small", vmlinux, BootConfig.of(4 * MIB, ""), "needs memory"),
        Case.of(
            "command line too long",
            vmlinux,
            BootConfig.of(64 * MIB, "x".repeat(2048)),
            "2048 characters long and the kernel takes 2047"),
        Case.of("command line", vmlinux, BootConfig.of(64 * MIB, "caf\u00e9"), "U+00E9"),
        Case.of(
            "initrd too large",
            vmlinux,
            CONFIG.withInitrd(BootFile.of("big.img", new byte[48 << 20])),
            "big.img: does not fit: 49152 KiB"),
        Case.of(
            "modules for Linux",
            vmlinux,
            CONFIG.withModules(List.of(new BootModule(BootFile.of("m", new byte[64]), ""))),
            "takes no modules"));
  }

  /** What is in a bzImage. */
  private static List<Case> badPacking(byte[] vmlinux) throws Exception {
    return List.of(
        Case.of(
            "lzo",
            KernelFiles.bzImage(payload(0x894c, 1000)),
            CONFIG,
            "packed with lzo, which is not supported"),
        Case.of(
            "unknown packing",
            KernelFiles.bzImage(payload(0x1234, 1000)),
            CONFIG,
            "something unknown (1234)"),
        Case.of("bomb", KernelFiles.bzImage(payload(0xfd37, 400 << 20)), CONFIG, "unpacks to 400"),
        Case.of(
            "damaged xz",
            KernelFiles.bzImage(payload(0xfd37, 1000)),
            CONFIG,
            "xz kernel cannot be unpacked"),
        Case.of(
            "wrong size",
            KernelFiles.bzImage(wrongSize(KernelFiles.gzip(vmlinux))),
            CONFIG,
            "gzip kernel cannot be unpacked"),
        Case.of(
            "not ELF inside",
            KernelFiles.bzImage(KernelFiles.gzip(new byte[100])),
            CONFIG,
            "holds no ELF"));
  }

  /** Multiboot and flat images. */
  private static List<Case> badMultiboot() throws Exception {
    return List.of(
        Case.of("video", KernelFiles.multibootElf(7), CONFIG, "video mode"),
        Case.of("Multiboot features", KernelFiles.multibootElf(0x23), CONFIG, "0x23"),
        Case.of("Multiboot fields", KernelFiles.multibootRaw(0x100, 0), CONFIG, "contradict"),
        Case.of("Multiboot cut", KernelFiles.multibootRaw(0x200300, 0), CONFIG, "truncated"),
        Case.of(
            "Multiboot module",
            KernelFiles.multibootElf(3),
            CONFIG.withInitrd(BootFile.of("huge", new byte[64 << 20])),
            "huge: does not fit"),
        Case.of("large flat", KernelFiles.flat(0x98001), CONFIG, "and 622592 fit"),
        Case.of(
            "flat with arguments",
            KernelFiles.flat(512),
            BootConfig.of(2 * MIB, "x"),
            "takes no command line"));
  }

  private static void check(Case c) {
    BootException e = assertThrows(BootException.class, () -> BootImages.load(c.kernel, c.config));
    String message = e.getMessage();
    assertTrue(message.contains(c.expected), message);
    assertFalse(message.contains("\n"), message);
    assertEquals(e.file() + ": " + e.problem() + "; " + e.remedy(), message);
    System.out.println("bad input: " + message);
  }

  @Test
  void strippedSectionHeadersRefuseRewritingInsteadOfSkippingIt() {
    byte[] kernel = KernelFiles.vmlinux(TEXT);
    ByteBuffer.wrap(kernel).putLong(40, 0);
    BootConfig config = CONFIG.withRewrite(RewriteOptions.timestamps(0xe0, 0xe1));
    BootException e =
        assertThrows(
            BootException.class, () -> BootImages.load(BootFile.of("kernel", kernel), config));
    assertTrue(e.getMessage().contains("no section headers"), e.getMessage());
  }

  @Test
  void unreadableFilesAreNamed(@TempDir Path dir) {
    assertMessage(dir.resolve("missing"), "missing: no such file");
    assertMessage(dir, "is a directory");
    assertMessage(Path.of("/dev/zero"), "is not a regular file");
  }

  @Test
  void fileLargerThanAnyKernelIsNotRead(@TempDir Path dir) throws Exception {
    Path sparse = dir.resolve("disk.img");
    try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
      file.setLength(BootFile.MAX_BYTES + 1);
    }
    assertMessage(sparse, "above 1 GiB");
  }

  @Test
  void absurdMemorySizesAreRefused() {
    for (long size : new long[] {0, -1, 4096, 5 * MIB + 1, Long.MAX_VALUE, 1L << 41}) {
      BootException e =
          assertThrows(BootException.class, () -> RamLayout.ofUserSize(size), () -> "" + size);
      assertTrue(e.getMessage().startsWith("memory: "), e.getMessage());
    }
  }

  private static void assertMessage(Path path, String expected) {
    BootException e = assertThrows(BootException.class, () -> BootFile.read(path));
    assertTrue(e.getMessage().contains(expected), e.getMessage());
  }

  private static Case edit(
      String name, byte[] original, Consumer<ByteBuffer> change, String expected) {
    byte[] kernel = original.clone();
    change.accept(ByteBuffer.wrap(kernel).order(ByteOrder.LITTLE_ENDIAN));
    return Case.of(name, kernel, CONFIG, expected);
  }

  private static byte[] payload(int magic, int size) {
    byte[] bytes = new byte[64];
    bytes[0] = (byte) (magic >> 8);
    bytes[1] = (byte) magic;
    return KernelFiles.withSize(bytes, size);
  }

  private static byte[] wrongSize(byte[] gzip) {
    byte[] changed = gzip.clone();
    changed[changed.length - 4]++;
    return changed;
  }
}
