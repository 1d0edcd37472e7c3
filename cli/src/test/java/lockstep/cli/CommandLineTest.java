package lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import lockstep.cli.common.ByteSize;
import lockstep.cli.common.ConfigFile;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** Options, messages and exit codes, without a guest. */
class CommandLineTest {
  private record Result(int code, String out, String err) {}

  private static Result lockstep(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine line =
        Main.commandLine(arguments)
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true));
    int code = Main.execute(line, arguments);
    return new Result(code, out.toString(), err.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "bogus",
        "--bogus",
        "run",
        "run --guest",
        "run --kernel a --guest b",
        "run --guest nope",
        "run --kernel a --memory lots",
        "run --kernel a --memory 99999999999999G",
        "run --kernel a --cpu pentium",
        "run --from a --guest hello",
        "run --from a --memory 64M",
        "run --from a --cpu deterministic",
        "run --from a --append quiet",
        "run --from a --initrd b",
        "run --snapshot",
        "doctor extra",
        "bench nope",
        "bench exits --quick",
        "bench disk --rows tape",
        "run --kernel a --slow-clock 0",
        "run --kernel a --slow-clock fast",
        "run --kernel a --metrics 192.0.2.7",
        "snapshot web"
      })
  void wrongUsageIsOneLineAndExitCode2(String arguments) {
    Result result = lockstep(arguments.isEmpty() ? new String[0] : arguments.split(" "));
    assertEquals(ExitCode.USAGE, result.code(), result.err());
    assertEquals(1, result.err().lines().count(), result.err());
    assertTrue(result.err().startsWith("lockstep"), result.err());
  }

  @Test
  void missingKernelIsOneLineAndExitCode1() {
    Result result = lockstep("run", "--kernel", "/nonexistent/kernel");
    assertEquals(ExitCode.FAILED, result.code());
    assertEquals("lockstep run: /nonexistent/kernel: no such file; check the path\n", result.err());
  }

  @Test
  void aSnapshotThatIsNoneIsOneLineAndExitCode1(@TempDir Path directory) throws Exception {
    Path other = Files.writeString(directory.resolve("other"), "not a snapshot, but long enough");
    for (Path path : List.of(directory.resolve("missing"), directory, other)) {
      Result result = lockstep("run", "--from", path.toString());
      assertEquals(ExitCode.FAILED, result.code());
      assertEquals(1, result.err().lines().count(), result.err());
      assertTrue(result.err().startsWith("lockstep run: snapshot " + path), result.err());
      assertFalse(result.err().contains("bug"), result.err());
    }
  }

  @Test
  void aSnapshotThatCouldNotBeWrittenIsRefusedBeforeTheGuestStarts(@TempDir Path directory) {
    for (Path path : List.of(directory, directory.resolve("missing/state"))) {
      Result result =
          lockstep("run", "--kernel", "/nonexistent/kernel", "--snapshot", path.toString());
      assertEquals(ExitCode.FAILED, result.code());
      assertTrue(result.err().startsWith("lockstep run: snapshot " + path), result.err());
    }
  }

  @Test
  void optionsComeFromAFileAndTheCommandLineWins(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("vm.conf");
    Files.writeString(
        file, "# a VM\nkernel = /nonexistent/in-file\nmemory = 64M\nappend = a=1 b\n");
    assertEquals(
        List.of("run", "--append=a=1 b", "--kernel=/nonexistent/in-file", "--memory=64M"),
        List.of(ConfigFile.expand("run", "--config", file.toString())));
    Result fromFile = lockstep("run", "--config", file.toString());
    assertEquals(ExitCode.FAILED, fromFile.code());
    assertTrue(fromFile.err().contains("/nonexistent/in-file"), fromFile.err());
    Result mixed = lockstep("run", "--config=" + file, "--kernel", "/nonexistent/given");
    assertTrue(mixed.err().contains("/nonexistent/given"), mixed.err());
    Files.writeString(file, "kernel = a\nmemroy = 64M\n");
    Result misspelt = lockstep("run", "--config", file.toString());
    assertEquals(ExitCode.USAGE, misspelt.code());
    assertTrue(misspelt.err().contains("--memroy=64M"), misspelt.err());
  }

  @Test
  void configFileThatCannotBeReadIsOneLineAndExitCode1(@TempDir Path directory) throws Exception {
    Path nested = Files.writeString(directory.resolve("nested"), "config = other\n");
    Path broken = Files.writeString(directory.resolve("broken"), "append = \\u12\n");
    for (Path path : List.of(directory.resolve("missing"), directory, nested, broken)) {
      Result result = lockstep("run", "--config", path.toString());
      assertEquals(ExitCode.FAILED, result.code(), result.err());
      assertEquals(1, result.err().lines().count(), result.err());
      assertTrue(result.err().startsWith("lockstep: --config " + path), result.err());
    }
  }

  @Test
  void verboseAddsTheStackTrace() {
    Result result = lockstep("run", "-v", "--kernel", "/nonexistent/kernel");
    assertEquals(ExitCode.FAILED, result.code());
    assertTrue(result.err().contains("\tat lockstep."), result.err());
  }

  @Test
  void helpOfEveryCommandHasAnExample() {
    for (CommandLine command : Main.commandLine().getSubcommands().values()) {
      Result result = lockstep(command.getCommandName(), "--help");
      assertEquals(ExitCode.DONE, result.code());
      assertTrue(
          result.out().contains("  lockstep " + command.getCommandName()),
          command.getCommandName() + " --help has no example:\n" + result.out());
      assertFalse(result.out().contains("null"), result.out());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"run", "record", "replay", "primary", "backup"})
  void helpOfACommandWithAGuestNamesTheExitCodesOfSignals(String command) {
    String help = lockstep(command, "--help").out().replaceAll("\\s+", " ");
    assertTrue(help.contains("128+N") && help.contains("143: SIGTERM"), help);
  }

  @Test
  void memorySizesAreBinary() {
    ByteSize size = new ByteSize();
    assertEquals(64L << 20, size.convert("64M"));
    assertEquals(1L << 30, size.convert("1GiB"));
    assertEquals(4096L, size.convert("4k"));
    assertEquals(512L, size.convert("512"));
  }

  @Test
  void jsonEscapesWhatWouldBreakIt() {
    assertEquals(
        "[\n  {\"a\\\"\\\\\\u000a\": null}\n]",
        Json.of(List.of(Map.of("a\"\\\n", Optional.empty()))));
  }
}
