package lockstep.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.uapi.posix_h;

/**
 * A file system of a few bytes, in memory. It is unmounted right after it was opened, which Linux
 * puts off until the last one closes what is in it: even a killed test leaves none behind.
 */
public final class SmallFileSystem implements AutoCloseable {
  private final Fd held;

  private SmallFileSystem(Fd held) {
    this.held = held;
  }

  /** Makes one; where this process may not mount, the test is skipped with the reason. */
  public static SmallFileSystem ofBytes(long bytes) throws Exception {
    Path place = Files.createTempDirectory("lockstep-small-");
    try {
      int mounted = run("mount", "-t", "tmpfs", "-o", "size=" + bytes, "none", place.toString());
      assumeTrue(mounted == 0, "no small file system: this process may not mount");
      try {
        return new SmallFileSystem(
            Posix.open(place.toString(), posix_h.O_RDONLY | posix_h.O_DIRECTORY));
      } finally {
        run("umount", "--lazy", place.toString());
      }
    } finally {
      Files.delete(place);
    }
  }

  /** Exit code of a program; -1 without it. */
  static int run(String... command) throws InterruptedException {
    try {
      return new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .start()
          .waitFor();
    } catch (IOException e) {
      return -1; // no such program
    }
  }

  /** Its root, for this process. */
  public Path directory() {
    return Path.of("/proc/self/fd/" + held.number());
  }

  /** The same for any process, while this one has it. */
  public Path directoryForOthers() {
    return Path.of("/proc/%d/fd/%d".formatted(ProcessHandle.current().pid(), held.number()));
  }

  @Override
  public void close() {
    held.close();
  }
}
