package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The tiny Linux as a user has it: through the command, with its console on pipes. Boots a real
 * kernel on the real KVM, types, and reads what comes back.
 */
@KvmRequired
class TinyLinuxTest {
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
   * As from a pipe: all of it is there before the kernel runs, and it is more than a UART holds.
   */
  @Test
  void whatIsTypedBeforeTheKernelListensIsNotLost() throws Exception {
    try (ConsoleSession linux = new ConsoleSession("--guest", LinuxCatalog.NAME)) {
      String line = "echo " + "0123456789".repeat(20);
      for (int i = 0; i < 15; i++) {
        linux.type(line + " " + i);
      }
      linux.type("poweroff");
      assertEquals(0, linux.exitCode(), linux.transcript());
      for (int i = 0; i < 15; i++) {
        String answer = ConsoleSession.PROMPT + line.substring("echo ".length()) + " " + i + "\r";
        assertTrue(linux.transcript().contains(answer), "no " + i + " in " + linux.transcript());
      }
    }
  }
}
