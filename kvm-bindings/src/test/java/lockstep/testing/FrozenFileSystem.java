package lockstep.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.uapi.posix_h;

/**
 * An ext4 in a file, which can be frozen: then everything that writes to it waits, and reads go on.
 * Like {@link SmallFileSystem} it is unmounted right after it was opened; a process of its own
 * freezes it and thaws it again when this one has gone, for nobody else could.
 */
public final class FrozenFileSystem implements AutoCloseable {
  private final Fd held;
  private Optional<Process> freezer = Optional.empty();

  private FrozenFileSystem(Fd held) {
    this.held = held;
  }

  /**
   * Makes one; where this process may not, the test is skipped with the reason.
   *
   * @param image what to make it in; some MiB
   */
  public static FrozenFileSystem in(Path image) throws Exception {
    assumeTrue(
        run("mkfs.ext4", "-q", "-F", image.toString()) == 0, "no file system: no mkfs.ext4 here");
    Path place = Files.createTempDirectory("lockstep-frozen-");
    try {
      int mounted = run("mount", "-o", "loop", image.toString(), place.toString());
      assumeTrue(mounted == 0, "no file system: this process may not mount");
      try {
        return new FrozenFileSystem(
            Posix.open(place.toString(), posix_h.O_RDONLY | posix_h.O_DIRECTORY));
      } finally {
        run("umount", "--lazy", place.toString());
      }
    } finally {
      Files.delete(place);
    }
  }

  private static int run(String... command) throws InterruptedException {
    return SmallFileSystem.run(command);
  }

  /** Its root, for this process. */
  public Path directory() {
    return Path.of("/proc/self/fd/" + held.number());
  }

  /** From now on writes wait. */
  public void freeze() throws IOException {
    Process process =
        new ProcessBuilder(
                "sh",
                "-c",
                "cd \"$0\" && fsfreeze -f . && echo frozen && read thaw; fsfreeze -u .",
                "/proc/%d/fd/%d".formatted(ProcessHandle.current().pid(), held.number()))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    freezer = Optional.of(process);
    String said = process.inputReader().readLine();
    assumeTrue("frozen".equals(said), "this process may not freeze a file system");
  }

  /** Lets the writes go on. */
  public void thaw() throws IOException {
    if (freezer.isPresent()) {
      Process process = freezer.get();
      freezer = Optional.empty();
      // The shell reads the end of its input.
      process.getOutputStream().close();
      process.onExit().join();
    }
  }

  @Override
  public void close() throws IOException {
    thaw();
    held.close();
  }
}
