package lockstep.monitor.boot;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A damaged or hostile kernel file gives an image within RAM or a BootException, never else. */
final class BootFuzzTest {
  private static final int MUTATIONS_PER_FILE = 10_000;

  /** Setting up a decoder costs more than the header checks, which are the same for all of them. */
  private static final int MUTATIONS_PER_PACKING = 1_000;

  private static final int HEADER_BYTES = 0x290;
  private static final int[] INTERESTING = {0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff};

  @Test
  void mutatedKernelsNeverEscapeTheChecks() throws Exception {
    long seed = Long.getLong("lockstep.test.seed", System.nanoTime());
    System.out.println("seed: -Dlockstep.test.seed=" + seed);
    Random random = new Random(seed);
    byte[] text = new byte[256];
    random.nextBytes(text);
    byte[] vmlinux = KernelFiles.vmlinux(text);
    BootImagesTest.Packing[] packings = BootImagesTest.Packing.values();
    List<byte[]> files =
        new ArrayList<>(
            List.of(
                vmlinux,
                KernelFiles.multibootElf(3),
                KernelFiles.multibootRaw(0x200100, 0x202000),
                KernelFiles.bzImage(KernelFiles.gzip(vmlinux))));
    int plain = files.size();
    for (BootImagesTest.Packing packing : packings) {
      files.add(KernelFiles.bzImage(packing.pack(vmlinux)));
    }
    BootConfig config =
        BootConfig.of(64 << 20, "quiet")
            .withRewrite(RewriteOptions.timestamps(0xe0, 0xe1).withCpuid(0xe2))
            .withInitrd(BootFile.of("initrd", new byte[100]));
    int loaded = 0;
    int refused = 0;
    for (byte[] file : files) {
      boolean first = files.indexOf(file) < plain;
      int mutations = first ? MUTATIONS_PER_FILE : MUTATIONS_PER_PACKING;
      for (int i = 0; i < mutations; i++) {
        if (load(mutate(file, random), config, seed)) {
          loaded++;
        } else {
          refused++;
        }
      }
    }
    System.out.println("fuzz: " + loaded + " loaded, " + refused + " refused");
    assertTrue(loaded > 0 && refused > 0, "the mutations must reach both outcomes");
  }

  /** The same on the headers of real kernels, changed in place and put back. */
  @Test
  void mutatedHeadersOfRealKernelsNeverEscapeTheChecks() throws Exception {
    List<Path> kernels = KernelFiles.cachedKernels();
    assumeTrue(!kernels.isEmpty(), "skipped: no vmlinux below " + KernelFiles.cache());
    long seed = Long.getLong("lockstep.test.seed", System.nanoTime());
    System.out.println("seed: -Dlockstep.test.seed=" + seed);
    Random random = new Random(seed);
    BootConfig config = BootConfig.of(128 << 20, "");
    for (Path path : kernels) {
      byte[] kernel = Files.readAllBytes(path);
      byte[] head = Arrays.copyOf(kernel, HEADER_BYTES);
      for (int i = 0; i < MUTATIONS_PER_FILE; i++) {
        byte[] changed = mutate(head, random);
        System.arraycopy(changed, 0, kernel, 0, changed.length);
        load(kernel, config, seed);
        System.arraycopy(head, 0, kernel, 0, head.length);
      }
    }
  }

  private static byte[] mutate(byte[] file, Random random) {
    byte[] bytes = file.clone();
    // Headers are in the first KiB; a bzImage's payload is after it.
    int reach = random.nextInt(4) == 0 ? bytes.length : Math.min(bytes.length, HEADER_BYTES);
    int changes = 1 + random.nextInt(4);
    for (int i = 0; i < changes; i++) {
      int at = random.nextInt(reach);
      switch (random.nextInt(3)) {
        case 0 -> bytes[at] = (byte) random.nextInt(256);
        case 1 -> bytes[at] = (byte) INTERESTING[random.nextInt(INTERESTING.length)];
        default -> bytes[at] ^= (byte) (1 << random.nextInt(8));
      }
    }
    return random.nextInt(16) == 0 ? Arrays.copyOf(bytes, random.nextInt(bytes.length)) : bytes;
  }

  private static boolean load(byte[] bytes, BootConfig config, long seed) {
    try {
      BootImage image = BootImages.load(BootFile.of("fuzzed", bytes), config);
      for (LoadSegment segment : image.segments()) {
        assertTrue(config.ram().contains(segment.gpa(), segment.memoryBytes()), segment.toString());
      }
      image.entry().registers();
      return true;
    } catch (BootException e) {
      return false;
    } catch (RuntimeException | Error e) {
      String head = HexFormat.of().formatHex(bytes, 0, Math.min(bytes.length, HEADER_BYTES));
      return fail("seed " + seed + ", file of " + bytes.length + " bytes beginning " + head, e);
    }
  }
}
