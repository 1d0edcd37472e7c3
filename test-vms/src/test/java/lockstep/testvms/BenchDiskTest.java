package lockstep.testvms;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code lockstep bench disk}: that its rows are there, not what they say. */
class BenchDiskTest {
  private static final long LIMIT_SECONDS = 120;
  private static final Pattern ROW =
      Pattern.compile(
          "  \\{\"name\": \"[^\"]+\", \"value\": [0-9.e+]+, \"unit\": \"requests/s\","
              + " \"peer\": (null|[0-9.e+]+), \"ratio\": (null|[0-9.e+-]+),"
              + " \"goal\": (null|0\\.9[05]0000), \"met\": (null|true|false)},?");

  @TempDir private Path temporary = Path.of("");

  private Process start(String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-Djava.io.tmpdir=" + temporary);
    command.add("-Dlockstep.home=" + System.getProperty("lockstep.home"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of("lockstep.cli.Main", "bench", "disk"));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command)
        .redirectError(temporary.resolve("notes").toFile())
        .redirectOutput(temporary.resolve("rows").toFile())
        .start();
  }

  private String notes() throws Exception {
    return Files.readString(temporary.resolve("notes"), UTF_8);
  }

  private void assertNothingIsLeft() throws Exception {
    try (Stream<Path> files = Files.list(temporary)) {
      assertEquals(
          List.of("notes", "rows"),
          files.map(file -> file.getFileName().toString()).sorted().toList());
    }
    for (Path loop : loops()) {
      assertFalse(Files.readString(loop).startsWith(temporary.toString()), loop + " is left");
    }
  }

  private static List<Path> loops() throws Exception {
    try (Stream<Path> devices = Files.list(Path.of("/sys/block"))) {
      return devices
          .map(device -> device.resolve("loop/backing_file"))
          .filter(Files::exists)
          .toList();
    }
  }

  /** Where a tool is missing its rows are, too, and a line says so. */
  private void assertRows(String prefix, int count) throws Exception {
    Process bench = start("--quick", "--json", "--rows", prefix);
    assertTrue(bench.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), prefix);
    assertEquals(0, bench.exitValue(), this::notesOrProblem);
    List<String> lines = Files.readAllLines(temporary.resolve("rows"), UTF_8);
    assertEquals("[", lines.getFirst());
    assertEquals("]", lines.getLast());
    List<String> rows = lines.subList(1, lines.size() - 1);
    assertTrue(rows.stream().allMatch(row -> ROW.matcher(row).matches()), () -> "" + rows);
    if (rows.size() != count) {
      assertEquals(0, rows.size(), () -> "" + rows);
      assertTrue(notes().contains("no rows for"), this::notesOrProblem);
    }
    assertNothingIsLeft();
  }

  private String notesOrProblem() {
    try {
      return notes();
    } catch (Exception e) {
      return e.toString();
    }
  }

  @ParameterizedTest
  @CsvSource({"'file 64K fua', 3", "'pair 64K write', 3", "'dev 4K read', 3", "'iscsi 4K', 9"})
  void everyKindOfDiskHasItsRows(String prefix, int count) throws Exception {
    assertRows(prefix, count);
  }

  @Test
  @KvmRequired
  void aGuestHasItsRows() throws Exception {
    assertRows("guest", 4);
  }

  @Test
  void nothingIsLeftWhenItIsEndedInTheMiddle() throws Exception {
    Process bench = start("--quick", "--rows", "iscsi");
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (bench.isAlive() && bench.descendants().count() == 0 && System.nanoTime() < until) {
      Thread.sleep(10);
    }
    List<ProcessHandle> started = bench.descendants().toList();
    // As Ctrl-C does.
    new ProcessBuilder("kill", "-INT", String.valueOf(bench.pid())).start().waitFor();
    assertTrue(bench.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS));
    assertFalse(notes().contains("bug"), this::notesOrProblem);
    for (ProcessHandle one : started) {
      one.onExit().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    }
    assertNothingIsLeft();
  }

  @Test
  void aRowThatThereIsNotIsRefusedInOneLine() throws Exception {
    Process bench = start("--rows", "tape");
    assertTrue(bench.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS));
    assertEquals(2, bench.exitValue(), this::notesOrProblem);
    assertEquals(1, notes().lines().count(), this::notesOrProblem);
  }
}
