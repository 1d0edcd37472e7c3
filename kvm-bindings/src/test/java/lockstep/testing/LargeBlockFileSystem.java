package lockstep.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.uapi.posix_h;

/**
 * An ext4 on a device whose blocks have 4 KiB: direct transfers of less are refused. Like {@link
 * SmallFileSystem} it is unmounted right after it was opened.
 */
public final class LargeBlockFileSystem implements AutoCloseable {
  private final Fd held;

  private LargeBlockFileSystem(Fd held) {
    this.held = held;
  }

  /**
   * Makes one; where this process may not, the test is skipped with the reason.
   *
   * @param image what to make it in; some MiB
   */
  public static LargeBlockFileSystem in(Path image) throws Exception {
    String device = loop(image);
    assumeTrue(!device.isEmpty(), "no loop device with blocks of 4 KiB");
    try {
      assumeTrue(
          SmallFileSystem.run("mkfs.ext4", "-q", "-F", device) == 0,
          "no file system: no mkfs.ext4 here");
      return mounted(device);
    } finally {
      // Put off until its mount has gone.
      int unused = SmallFileSystem.run("losetup", "--detach", device);
    }
  }

  private static String loop(Path image) throws IOException {
    Process losetup =
        new ProcessBuilder("losetup", "--sector-size", "4096", "--find", "--show", image.toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    return new String(
            losetup.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.US_ASCII)
        .strip();
  }

  private static LargeBlockFileSystem mounted(String device) throws Exception {
    Path place = Files.createTempDirectory("lockstep-large-");
    try {
      int mounted = SmallFileSystem.run("mount", device, place.toString());
      assumeTrue(mounted == 0, "no file system: this process may not mount");
      try {
        return new LargeBlockFileSystem(
            Posix.open(place.toString(), posix_h.O_RDONLY | posix_h.O_DIRECTORY));
      } finally {
        int unused = SmallFileSystem.run("umount", "--lazy", place.toString());
      }
    } finally {
      Files.delete(place);
    }
  }

  /** Its root, for this process. */
  public Path directory() {
    return Path.of("/proc/self/fd/" + held.number());
  }

  @Override
  public void close() {
    held.close();
  }
}
