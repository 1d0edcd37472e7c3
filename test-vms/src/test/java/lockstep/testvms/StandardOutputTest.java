package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import lockstep.testing.KvmRequired;
import lockstep.testing.PseudoTerminal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Standard output carries the guest's console, or what a command prints, and nothing else. */
class StandardOutputTest {
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");

  private ProcessBuilder lockstep(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    command.addAll(List.of("-XX:-CreateCoredumpOnCrash", "-XX:ErrorFile=/dev/null"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "lockstep.cli.Main"));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).redirectError(errors().toFile());
  }

  private Path errors() {
    return directory.resolve("errors");
  }

  @KvmRequired
  @Test
  void crashReportOfTheJvmIsNoOutputOfTheGuest() throws Exception {
    Process process = lockstep("run", "--guest", "echo").start();
    try {
      InputStream console = process.getInputStream();
      StringBuilder shown = new StringBuilder();
      while (shown.indexOf("> ") < 0) {
        int value = console.read();
        assertTrue(value >= 0, () -> "the guest has not started: " + said());
        shown.append((char) value);
      }
      kill("-SEGV", process);
      String rest = new String(console.readAllBytes(), ISO_8859_1);
      assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), "it lives");
      assertEquals("", rest, "on the guest's console");
      assertTrue(said().contains("fatal error has been detected"), this::said);
    } finally {
      process.destroyForcibly().onExit().join();
    }
  }

  private static void kill(String signal, Process process) throws Exception {
    assertEquals(0, new ProcessBuilder("kill", signal, "" + process.pid()).start().waitFor());
  }

  private String said() {
    try {
      return Files.readString(errors());
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** A user with a terminal who sends only the output to a file. */
  @Test
  void textForAFileHasNoColours() throws Exception {
    Path output = directory.resolve("output");
    try (PseudoTerminal terminal = new PseudoTerminal()) {
      Process process =
          lockstep("run", "--help")
              .redirectInput(terminal.path().toFile())
              .redirectOutput(output.toFile())
              .redirectError(terminal.path().toFile())
              .start();
      assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), "it lives");
      assertEquals(0, process.exitValue(), terminal::shown);
    }
    String text = Files.readString(output);
    assertTrue(text.contains("Usage: "), text);
    assertFalse(text.contains("\u001b"), text);
  }

  @Test
  void commandWithoutStandardOutputRunsAndPrintsNothing() throws Exception {
    List<String> command = new ArrayList<>(List.of("sh", "-c", "exec \"$@\" >&-", "sh"));
    command.addAll(lockstep("run", "--help").command());
    Process process = new ProcessBuilder(command).redirectError(errors().toFile()).start();
    assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), "it lives");
    assertEquals(0, process.exitValue(), this::said);
    assertEquals("", said());
  }
}
