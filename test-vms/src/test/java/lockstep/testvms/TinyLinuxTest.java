package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The tiny Linux as a user has it: through the command, with its console on pipes. Boots a real
 * kernel on the real KVM, types, and reads what comes back.
 */
@KvmRequired
class TinyLinuxTest {
  private static final String PROMPT = "lockstep# ";

  /** Booting takes 6 to 25 s on the slowest KVM known, depending on what else the host does. */
  private static final long BOOT_LIMIT_SECONDS = 180;

  private static final long ANSWER_LIMIT_SECONDS = 60;

  @BeforeAll
  static void theGuestIsBuilt() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
  }

  @Test
  void bootsToItsShellAnswersAndPowersOff() throws Exception {
    try (Session linux = new Session()) {
      linux.await(PROMPT, BOOT_LIMIT_SECONDS);
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
    try (Session linux = new Session()) {
      linux.await(PROMPT, BOOT_LIMIT_SECONDS);
      linux.type("exit 37");
      assertEquals(37, linux.exitCode(), linux.transcript());
    }
  }

  /** {@code lockstep run --guest linux} in a process of its own. */
  private static final class Session implements AutoCloseable {
    private final Process process;
    private final StringBuilder transcript = new StringBuilder();
    private final Thread reader;

    Session() throws IOException {
      List<String> command = new ArrayList<>();
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.add("--enable-native-access=ALL-UNNAMED");
      command.add("-Dlockstep.home=" + System.getProperty("lockstep.home"));
      command.addAll(List.of("-cp", System.getProperty("java.class.path")));
      command.addAll(List.of("lockstep.cli.Main", "run", "--guest", LinuxCatalog.NAME));
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
      reader = Thread.ofPlatform().daemon().name("linux-console").start(this::read);
    }

    private void read() {
      byte[] buffer = new byte[4096];
      InputStream from = process.getInputStream();
      try {
        for (int n = from.read(buffer); n > 0; n = from.read(buffer)) {
          synchronized (transcript) {
            transcript.append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
            transcript.notifyAll();
          }
        }
      } catch (IOException e) {
        // The process has ended; what it wrote before is in the transcript.
      }
    }

    String transcript() {
      synchronized (transcript) {
        return transcript.toString();
      }
    }

    void type(String line) throws IOException {
      OutputStream to = process.getOutputStream();
      to.write((line + "\n").getBytes(StandardCharsets.US_ASCII));
      to.flush();
    }

    /** Types a line and returns everything up to the next prompt. */
    String answerTo(String line) throws Exception {
      int before = transcript().length();
      type(line);
      return await(before, PROMPT, ANSWER_LIMIT_SECONDS);
    }

    void await(String text, long limitSeconds) throws InterruptedException {
      await(0, text, limitSeconds);
    }

    private String await(int from, String text, long limitSeconds) throws InterruptedException {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
      synchronized (transcript) {
        while (transcript.indexOf(text, from) < 0) {
          long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
          assertTrue(leftMillis > 0, "no '" + text + "' within its time:\n" + transcript);
          transcript.wait(leftMillis);
        }
        return transcript.substring(from);
      }
    }

    int exitCode() throws InterruptedException {
      assertTrue(process.waitFor(ANSWER_LIMIT_SECONDS, TimeUnit.SECONDS), "did not end");
      reader.join(TimeUnit.SECONDS.toMillis(ANSWER_LIMIT_SECONDS));
      return process.exitValue();
    }

    @Override
    public void close() {
      process.destroyForcibly().onExit().join();
    }
  }
}
