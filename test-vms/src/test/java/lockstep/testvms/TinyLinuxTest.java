package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.regex.Pattern;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The tiny Linux as a user has it: through the command, with its console on pipes. Boots a real
 * kernel on the real KVM, types, and reads what comes back.
 */
@KvmRequired
class TinyLinuxTest {
  /** More than the receiver's FIFO holds, which the kernel's driver empties three times. */
  private static final int TYPED_EARLY = 15;

  /** Booting takes 6 to 25 s on the slowest KVM known, depending on what else the host does. */
  private static final long BOOT_LIMIT_SECONDS = 600;

  @BeforeAll
  static void theGuestIsBuilt() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
  }

  @Test
  void bootsToItsShellAnswersAndPowersOff() throws Exception {
    try (ConsoleSession linux = new ConsoleSession("--guest", LinuxCatalog.NAME)) {
      linux.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
      assertTrue(linux.answerTo("uname").contains("Linux 6.1."), linux.transcript());
      assertTrue(linux.answerTo("echo one two").contains("one two"), linux.transcript());
      assertTrue(linux.answerTo("forks 5").contains("forks 5"), linux.transcript());
      assertTrue(linux.answerTo("burn 50").contains("burn "), linux.transcript());
      linux.answerTo("write /tmp/file lockstep");
      assertTrue(linux.answerTo("cat /tmp/file").contains("lockstep"), linux.transcript());
      linux.type("poweroff");
      assertEquals(0, linux.exitCode(), linux.transcript());
    }
  }

  @Test
  void theExitCommandsCodeIsTheRunsCode() throws Exception {
    try (ConsoleSession linux = new ConsoleSession("--guest", LinuxCatalog.NAME)) {
      linux.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
      linux.type("exit 37");
      assertEquals(37, linux.exitCode(), linux.transcript());
    }
  }

  /**
   * As from a pipe: all of it is there before the kernel runs. The terminal's echo of what is typed
   * comes at any time, so an answer is what stands without its command.
   */
  @Test
  void whatIsTypedBeforeTheKernelListensIsNotLost() throws Exception {
    try (ConsoleSession linux = new ConsoleSession("--guest", LinuxCatalog.NAME)) {
      for (int i = 0; i < TYPED_EARLY; i++) {
        linux.type("echo early-" + i + ";");
      }
      linux.type("poweroff");
      assertEquals(0, linux.exitCode(), linux.transcript());
      for (int i = 0; i < TYPED_EARLY; i++) {
        Pattern answer = Pattern.compile("(?<!echo )early-" + i + ";");
        assertTrue(
            answer.matcher(linux.transcript()).find(), "no " + i + " in " + linux.transcript());
      }
    }
  }
}
