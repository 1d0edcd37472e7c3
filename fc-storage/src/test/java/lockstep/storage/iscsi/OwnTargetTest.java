package lockstep.storage.iscsi;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import lockstep.storage.FileDisk;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A target of one's own leaves nothing behind, whatever becomes of who started it. */
class OwnTargetTest {
  private static final long LIMIT_SECONDS = 30;

  @TempDir private Path directory = Path.of("");

  @Test
  void itEndsWithAProcessThatIsKilled() throws Exception {
    Path image = directory.resolve("disk.img");
    FileDisk.create(image, 1 << 20);
    assumeTrue(OwnTarget.missing().isEmpty(), () -> OwnTarget.missing().orElse(""));
    Process starter =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                TargetStarter.class.getName(),
                image.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    List<Path> left = new ArrayList<>();
    CompletableFuture<Void> gone = new CompletableFuture<>();
    Optional<ProcessHandle> tgtd = Optional.empty();
    try (var said = starter.inputReader()) {
      tgtd = ProcessHandle.of(Long.parseLong(said.readLine()));
      assertTrue(tgtd.isPresent() && tgtd.get().isAlive(), "it did not start");
      gone = tgtd.get().onExit().thenRun(() -> {});
      left.add(Path.of(said.readLine()));
      left.add(Path.of(said.readLine()));
    } finally {
      starter.destroyForcibly().onExit().join();
    }
    try {
      gone.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } finally {
      tgtd.ifPresent(ProcessHandle::destroyForcibly);
      for (Path file : left) {
        Files.deleteIfExists(file);
      }
    }
  }
}
