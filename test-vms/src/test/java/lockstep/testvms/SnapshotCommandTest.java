package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Snapshots as a user has them: written at a signal, gone on from in another process. */
@KvmRequired
class SnapshotCommandTest {
  private static final long BOOT_LIMIT_SECONDS = 600;

  /** 128 and the number of SIGTERM. */
  private static final int TERMINATED = 143;

  @TempDir private Path directory = Path.of("");

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aGuestStoppedByASignalGoesOnFromItsSnapshotMoreThanOnce() throws Exception {
    Path file = directory.resolve("echo.snap");
    try (ConsoleSession first =
        new ConsoleSession("--guest", "echo", "--snapshot", file.toString())) {
      first.await("> ", BOOT_LIMIT_SECONDS);
      first.terminate();
      assertEquals(TERMINATED, first.exitCode(), first.transcript());
      assertTrue(first.transcript().contains("snapshot " + file + ": written, "));
    }
    assertEquals(List.of("echo.snap"), left(), "nothing half-done is left");
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    for (int i = 0; i < 2; i++) {
      try (ConsoleSession second = new ConsoleSession("--from", file.toString())) {
        second.typeRaw("again\r");
        second.await("AGAIN", BOOT_LIMIT_SECONDS);
        second.typeRaw("exit 5\r");
        assertEquals(5, second.exitCode(), second.transcript());
      }
    }
  }

  @Test
  void aGuestThatEndsItselfLeavesNoSnapshotAndTheUserIsTold() throws Exception {
    Path file = directory.resolve("none.snap");
    try (ConsoleSession session =
        new ConsoleSession("--guest", "hello", "--snapshot", file.toString())) {
      assertEquals(0, session.exitCode(), session.transcript());
      assertTrue(session.transcript().contains(file + ": not written"), session.transcript());
    }
    assertEquals(List.of(), left());
  }

  @Test
  void linuxGoesOnWhereItStoodFilesAndAll() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
    Path file = directory.resolve("linux.snap");
    try (ConsoleSession first =
        new ConsoleSession("--guest", LinuxCatalog.NAME, "--snapshot", file.toString())) {
      first.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
      first.answerTo("write /tmp/file kept");
      first.terminate();
      assertEquals(TERMINATED, first.exitCode(), first.transcript());
      printFigures(first);
    }
    try (ConsoleSession second = new ConsoleSession("-v", "--from", file.toString())) {
      assertTrue(second.answerTo("cat /tmp/file").contains("kept"), second.transcript());
      assertTrue(second.answerTo("forks 3").contains("forks 3"), second.transcript());
      assertTrue(second.answerTo("burn 50").contains("burn "), second.transcript());
      assertFalse(second.transcript().contains("tiny Linux is up"), "it did not boot");
      second.type("poweroff");
      assertEquals(0, second.exitCode(), second.transcript());
      printFigures(second);
    }
  }

  private static void printFigures(ConsoleSession session) {
    session
        .transcript()
        .lines()
        .filter(line -> line.contains(" KiB in "))
        .forEach(System.out::println);
  }
}
