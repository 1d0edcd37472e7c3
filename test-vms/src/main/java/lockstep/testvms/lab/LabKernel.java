package lockstep.testvms.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Debian's cloud kernel, unpacked from its package: {@code boot/vmlinuz-VERSION} and {@code
 * lib/modules/VERSION/kernel}.
 *
 * @param image the kernel to boot
 * @param modules what it can load
 */
record LabKernel(Path image, KernelModules modules) {
  /**
   * The kernel in {@code $LOCKSTEP_LAB_KERNEL}, else the one that {@code
   * test-vms/linux/fetch-cloud-kernel} brings.
   *
   * @param testVms the source directory of the test-vms module
   */
  static LabKernel find(Path testVms) throws IOException, LabException, InterruptedException {
    String given = System.getenv().getOrDefault("LOCKSTEP_LAB_KERNEL", "");
    if (!given.isEmpty()) {
      return unpackedAt(Path.of(given));
    }
    Path fetch = testVms.resolve("linux/fetch-cloud-kernel");
    return unpackedAt(Path.of(Tool.run(List.of(fetch.toString())).strip()));
  }

  private static LabKernel unpackedAt(Path root) throws IOException, LabException {
    Path image = only(root.resolve("boot"), "vmlinuz-");
    String version = image.getFileName().toString().substring("vmlinuz-".length());
    return new LabKernel(image, new KernelModules(root.resolve("lib/modules").resolve(version)));
  }

  private static Path only(Path directory, String prefix) throws IOException, LabException {
    if (!Files.isDirectory(directory)) {
      throw new LabException(directory + " is missing: not an unpacked kernel package");
    }
    try (Stream<Path> listing = Files.list(directory)) {
      List<Path> found =
          listing.filter(path -> path.getFileName().toString().startsWith(prefix)).toList();
      if (found.size() != 1) {
        throw new LabException(
            "%s holds %d files %s*, and one is needed".formatted(directory, found.size(), prefix));
      }
      return found.getFirst();
    }
  }
}
