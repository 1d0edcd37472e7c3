package lockstep.storage;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import lockstep.storage.ffi.disk.RingEngine;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * An Error on any thread of a disk ends the process, before a request is answered as failed: the
 * other side of a pair takes over a guest whose disk is whole.
 */
class DiskThreadErrorTest {
  private static final int FAIL_STOP = 3;
  private static final long LIMIT_SECONDS = 60;
  private static final long IMAGE_BYTES = 1 << 20;

  @TempDir private Path directory = Path.of("");

  private Path image() throws Exception {
    Path path = directory.resolve("disk.img");
    FileDisk.create(path, IMAGE_BYTES);
    return path;
  }

  @ParameterizedTest
  @CsvSource({
    "THREADS, USED, read, disk",
    "THREADS, USED, write, disk",
    "IO_URING, USED, read, disk-ring",
    "IO_URING, USED, write, disk-writes",
    "IO_URING, USED, discard, disk-discards",
    "IO_URING, BYPASSED, write, disk-ring"
  })
  void errorOnAThreadOfAnImageEndsTheProcess(
      String engine, String cache, String request, String thread) throws Exception {
    Optional<String> refusal = engine.equals("IO_URING") ? RingEngine.refusal() : Optional.empty();
    assumeTrue(refusal.isEmpty(), () -> "no io_uring here: " + refusal.orElse(""));
    assertFailStops(thread, engine, cache, request, image().toString());
  }

  @Test
  void errorOnTheThreadOfAnIscsiSessionEndsTheProcess() throws Exception {
    try (Tgtd target = Tgtd.start(image())) {
      assertFailStops("iscsi-127.0.0.1", "ISCSI", "-", "write", target.address(1, ""));
    }
  }

  private void assertFailStops(String thread, String... arguments) throws Exception {
    Path errors = directory.resolve("errors");
    ProcessBuilder command =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            FailingDiskThread.class.getName());
    command.command().addAll(List.of(arguments));
    Process process = command.redirectError(errors.toFile()).start();
    try {
      String answered = new String(process.getInputStream().readAllBytes(), UTF_8);
      assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), "it lives");
      String said = Files.readString(errors);
      assertEquals(FAIL_STOP, process.exitValue(), said);
      assertTrue(said.contains("thread " + thread + " has failed"), said);
      assertTrue(said.contains("planted"), said);
      assertEquals("", answered, "before the end");
    } finally {
      process.destroyForcibly().waitFor();
    }
  }
}
