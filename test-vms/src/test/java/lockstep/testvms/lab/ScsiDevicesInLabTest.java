package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** SCSI disks of a stock kernel, which the build machines have none of: reservations by SG_IO. */
@Tag("lab")
final class ScsiDevicesInLabTest {
  private static final Duration TIMEOUT = Duration.ofMinutes(12);

  @Test
  void oneOfTwoAdaptersGetsTheDiskAndTheOtherIsRefused() throws Exception {
    List<String> test = new ArrayList<>(LabJob.junit("lockstep.testvms.ScsiDeviceTest"));
    test.addAll(1, List.of("-Dlockstep.scsi.one=/dev/sda", "-Dlockstep.scsi.two=/dev/sdb"));
    String console = withTwoDisks(String.join(" ", test));
    assertTrue(console.contains(" 0 tests skipped"), console);
  }

  /** As docs/storage.md tells it, each step from the host that would take it. */
  @Test
  void arbitrationByHandIsForEverAndCanBeReopenedAfterItWasForgotten() throws Exception {
    String console = withTwoDisks("sh $(find /lab -name arbitrate-by-hand) $setup");
    String vm = "VM 001122..., epoch 1, ";
    assertStep(console, "enter", 0, "REOPENED");
    assertStep(console, "open", 0, "reserved by  " + vm + "primary of an undecided pair");
    assertStep(console, "early-write", 1, "");
    assertStep(console, "claim", 0, "WON");
    assertStep(console, "late-claim", 1, "LOST: disk dev:/dev/sda has gone to " + vm + "backup");
    assertStep(console, "late-write", 1, "");
    assertStep(console, "winner-writes", 0, "");
    assertStep(console, "decided", 0, "reserved by  " + vm + "backup that won");
    assertStep(console, "decided", 0, "registered   " + vm + "backup that won\n");
    assertStep(console, "claim-again", 0, "WON");
    assertStep(console, "nothing-to-reopen", 1, "belongs to this VM on another host");
    assertStep(console, "restart", 0, "");
    assertStep(console, "forgotten", 1, "UNKNOWN: disk dev:/dev/sdb has no reservation");
    assertStep(console, "reopen", 0, "REOPENED");
    assertStep(console, "claim-after-all", 0, "WON");
    assertStep(console, "decided-again", 0, "reserved by  " + vm + "backup that won");
    assertStep(console, "winner-writes-again", 0, "");
    assertStep(console, "loser-refused-again", 1, "");
  }

  private static void assertStep(String console, String step, int code, String part) {
    int from = console.indexOf("step " + step + "\n");
    int to = console.indexOf("code ", Math.max(0, from));
    assertTrue(from >= 0 && to > from, () -> "no step " + step + ": " + console);
    String said = console.substring(from, to);
    assertTrue(said.contains(part), () -> "'%s' is not said: %s".formatted(part, console));
    assertTrue(console.startsWith("code " + code + "\n", to), () -> "exit code, " + said + console);
  }

  /**
   * Runs a command on a host with a unit that is two disks; {@code $setup} is what made them.
   *
   * @return what it said
   */
  private static String withTwoDisks(String command) throws Exception {
    String script = "setup=$(find /lab -name lio-setup) && sh $setup && " + command;
    LabJob job = LabJob.of(LabJob.ownClassPath(), "sh", "-c", script).withTimeout(TIMEOUT);
    LabResult result = HostLab.prepare(Path.of("")).run(job, OutputStream.nullOutputStream());
    assertEquals(0, result.exitCode(), result::console);
    return result.console();
  }
}
