package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SCSI disks of a stock kernel, which the build machines have none of: reservations by SG_IO. */
@Tag("lab")
final class ScsiDevicesInLabTest {
  private static final Duration TIMEOUT = Duration.ofMinutes(6);
  private static final List<String> MODULES =
      List.of(
          "fs/configfs/configfs.ko",
          "drivers/scsi/scsi_common.ko",
          "drivers/scsi/scsi_mod.ko",
          "drivers/scsi/sd_mod.ko",
          "drivers/target/target_core_mod.ko",
          "drivers/target/target_core_file.ko",
          "drivers/target/loopback/tcm_loop.ko");

  @Test
  void oneOfTwoAdaptersGetsTheDiskAndTheOtherIsRefused(@TempDir Path directory) throws Exception {
    Path modules = Files.createDirectory(directory.resolve("lio-modules"));
    LabKernel kernel = LabKernel.find(Path.of(""));
    for (String module : MODULES) {
      Path from = kernel.module(module);
      Files.copy(from, modules.resolve(from.getFileName()));
    }
    List<Path> carried = new ArrayList<>(LabJob.ownClassPath());
    carried.add(modules);
    List<String> test = new ArrayList<>(LabJob.junit("lockstep.testvms.ScsiDeviceTest"));
    test.addAll(1, List.of("-Dlockstep.scsi.one=/dev/sda", "-Dlockstep.scsi.two=/dev/sdb"));
    LabJob job =
        LabJob.of(
                carried,
                "sh",
                "-c",
                "sh $(find /lab -name lio-setup) $(find /lab -name '*-lio-modules') && "
                    + String.join(" ", test))
            .withTimeout(TIMEOUT);
    LabResult result = HostLab.prepare(Path.of("")).run(job, OutputStream.nullOutputStream());
    assertEquals(0, result.exitCode(), result::console);
    assertTrue(result.console().contains(" 0 tests skipped"), result::console);
  }
}
