package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.testvms.LinuxCatalog;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A real kernel is recorded and replayed on a stock KVM, by the commands that users have. */
@Tag("lab")
@Tag("proof")
final class RecordedLinuxInLabTest {
  /** Four minutes were seen on a machine with a load of 20; only ends what hangs. */
  private static final Duration TIMEOUT = Duration.ofMinutes(10);

  @BeforeAll
  static void thereIsLab() throws Exception {
    Optional<String> complaint = HostLab.complaint(Path.of(""));
    assumeTrue(complaint.isEmpty(), () -> complaint.orElse(""));
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
  }

  @Test
  void linuxRecordedOnStockKvmReplaysWithEqualDigests() throws Exception {
    Path linux = LinuxCatalog.built().orElseThrow();
    List<Path> carried = new ArrayList<>(LabJob.ownClassPath());
    carried.add(linux);
    String script =
        """
        cd /tmp
        linux=$(find /lab -name '*-%s')
        printf 'uname\\nforks 2\\nburn 50\\npoweroff\\n' |
          lockstep record linux.log --kernel $linux/vmlinux --initrd $linux/initrd.cpio \\
            --memory 64M --append '%s' || exit 1
        lockstep replay --verify linux.log
        """
            .formatted(linux.getFileName(), LinuxCatalog.COMMAND_LINE);
    LabJob job = LabJob.of(carried, "sh", "-c", script).withTimeout(TIMEOUT);
    LabResult result = HostLab.prepare(Path.of("")).run(job, OutputStream.nullOutputStream());
    assertEquals(0, result.exitCode(), result::console);
    assertTrue(result.console().contains("tiny Linux is up"), result::console);
    assertTrue(result.console().contains("equal to the recording: "), result::console);
    System.out.println(result.console());
  }
}
