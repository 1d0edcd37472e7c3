package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.testvms.Guests;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The lab itself, and the guests on its KVM. Each test boots a host of its own: some seconds. */
@Tag("lab")
final class LabTest {
  /** Two dozen seconds on an idle host, most of it a JVM starting under emulation. */
  private static final Duration GUESTS_TIMEOUT = Duration.ofMinutes(5);

  /** Two minutes on a busy host. */
  private static final Duration REPLAYS_TIMEOUT = Duration.ofMinutes(6);

  private static final Pattern SUCCESSFUL = Pattern.compile("([0-9]+) tests successful");

  private static final HostLab LAB = prepared();

  private static HostLab prepared() {
    try {
      return HostLab.prepare(Path.of(""));
    } catch (Exception e) {
      throw new IllegalStateException(e.getMessage(), e);
    }
  }

  @BeforeAll
  static void hasItsOwnKvm() throws Exception {
    LabResult result =
        run(LabJob.of(List.of(), "test", "-c", "/dev/kvm", "-a", "-d", "/sys/module/kvm_amd"));
    assertEquals(0, result.exitCode());
  }

  @Test
  void outputAndExitCodeComeThroughUnchanged() throws Exception {
    LabResult result =
        run(LabJob.of(List.of(), "sh", "-c", "printf 'a\\nb\\r\\n'; seq 3000; exit 200"));
    assertEquals(200, result.exitCode());
    assertTrue(result.console().startsWith("a\nb\r\n1\n2\n"), result.console());
    assertTrue(result.console().endsWith("\n2999\n3000\n"), result.console());
  }

  @Test
  void inputIsTypedOnceTheCommandRuns() throws Exception {
    LabResult result = run(LabJob.of(List.of(), "head", "-n", "1").withInput("typed\n"));
    assertEquals("typed\n", result.console());
  }

  @Test
  void aJobThatHangsIsEndedWithNothingLeft() {
    LabJob job = LabJob.of(List.of(), "sleep", "1000").withTimeout(Duration.ofSeconds(10));
    LabException e = assertThrows(LabException.class, () -> run(job));
    assertTrue(String.valueOf(e.getMessage()).contains("did not end within 10 s"), e::toString);
    assertFalse(
        ProcessHandle.current()
            .children()
            .anyMatch(child -> child.info().command().orElse("").contains("qemu")));
  }

  @Test
  void everyGuestPassesOnStockKvm() throws Exception {
    assertTrue(successful("GuestsOnKvmTest", GUESTS_TIMEOUT) >= Guests.all().size());
  }

  /**
   * The guests record and replay, and the hazards of placements are met: on this KVM single steps
   * set TF in the CPU itself, and INT n and SYSCALL are executed.
   */
  @ParameterizedTest
  @ValueSource(strings = {"RecordReplayTest", "HazardTest"})
  void whatIsRecordedOnStockKvmReplaysThere(String test) throws Exception {
    assertTrue(successful(test, REPLAYS_TIMEOUT) > 0);
  }

  /** Runs a test class in the lab; what is skipped there counts as failed. */
  private static int successful(String test, Duration timeout) throws Exception {
    String[] command = LabJob.junit("lockstep.testvms." + test).toArray(String[]::new);
    LabResult result = run(LabJob.of(LabJob.ownClassPath(), command).withTimeout(timeout));
    assertEquals(0, result.exitCode(), result::console);
    assertTrue(result.console().contains(" 0 tests skipped"), result::console);
    Matcher successful = SUCCESSFUL.matcher(result.console());
    assertTrue(successful.find(), result::console);
    System.out.println(result.console());
    return Integer.parseInt(successful.group(1));
  }

  private static LabResult run(LabJob job) throws Exception {
    return LAB.run(job, OutputStream.nullOutputStream());
  }
}
