package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import lockstep.testvms.LinuxCatalog;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Debian's stock cloud kernel boots live on stock KVM again and again, and its clock never stops.
 * Under load that is what showed interrupts lost to a refused MSR: 10 of 18 boots.
 */
@Tag("lab")
final class LinuxBootsInLabTest {
  /** {@code -Dlockstep.boots=50} for more; each takes 12 s and up, the first one minutes. */
  private static final int BOOTS = Integer.getInteger("lockstep.boots", 4);

  /** Ends a boot that stands still: ten times what a slow one takes on a busy host. */
  private static final int BOOT_SECONDS = 600;

  private static final int MEMORY_MIB = 1536;

  @TempDir private Path directory = Path.of("");

  @Test
  void aStockKernelsClockNeverStops() throws Exception {
    Optional<Path> tinyLinux = LinuxCatalog.built();
    assumeTrue(
        tinyLinux.isPresent(),
        "the tiny Linux is not built, whose initramfs this uses: run test-vms/linux/build");
    Path files = Files.createDirectories(directory.resolve(LinuxBoots.DIRECTORY));
    Files.copy(LabKernel.find(Path.of("")).image(), files.resolve("vmlinuz"));
    Files.copy(tinyLinux.orElseThrow().resolve("initrd.cpio"), files.resolve("initrd.cpio"));
    List<Path> classPath = new ArrayList<>(LabJob.ownClassPath());
    classPath.add(directory);
    LabJob job =
        new LabJob(
            List.of(
                "java",
                "--enable-native-access=ALL-UNNAMED",
                LinuxBoots.class.getName(),
                Integer.toString(BOOTS),
                Integer.toString(BOOT_SECONDS)),
            classPath,
            "",
            Duration.ofSeconds((BOOTS + 1L) * BOOT_SECONDS),
            MEMORY_MIB,
            1);
    LabResult result = HostLab.prepare(Path.of("")).run(job, OutputStream.nullOutputStream());
    Matcher summary = LinuxBoots.SUMMARY.matcher(result.console());
    assertTrue(summary.find(), result::console);
    // How many come to the prompt in time is a matter of the host; what must not be is a clock that
    // stands.
    assertEquals(0, Integer.parseInt(summary.group(3)), result::console);
    assertTrue(Integer.parseInt(summary.group(1)) > 0, result::console);
    System.out.println(result.console());
  }
}
