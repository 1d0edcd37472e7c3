package lockstep.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * A mount that mirrors a directory by way of a daemon (libfuse's example {@code passthrough_ll}),
 * with a write-back page cache of its own that nothing revalidates: two of them are two hosts'
 * views of one file server. Like {@link SmallFileSystem} it is unmounted right after it was opened.
 */
public final class MirrorMount implements AutoCloseable {
  private static final Path SOURCE =
      Path.of("/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c");

  private static final long MOUNT_SECONDS = 60;

  private final Process daemon;
  private final Fd held;

  private MirrorMount(Process daemon, Fd held) {
    this.daemon = daemon;
    this.held = held;
  }

  /**
   * Compiles the daemon; where that cannot be, the test is skipped with the reason.
   *
   * @param into a directory for it
   */
  public static Path compile(Path into) throws Exception {
    assumeTrue(Files.exists(SOURCE), "no " + SOURCE + "; apt-get install libfuse3-dev");
    assumeTrue(Files.exists(Path.of("/dev/fuse")), "no /dev/fuse");
    Path program = into.resolve("passthrough_ll");
    int compiled =
        SmallFileSystem.run(
            "sh",
            "-c",
            "cc -O1 -o \"$0\" \"$1\" $(pkg-config fuse3 --cflags --libs)",
            program.toString(),
            SOURCE.toString());
    assumeTrue(compiled == 0, "cannot compile " + SOURCE + "; apt-get install gcc pkg-config");
    return program;
  }

  /**
   * Mounts a directory once more, with a cache that looks at nothing and writes back late.
   *
   * @param program what {@link #compile} made
   */
  public static MirrorMount of(Path program, Path directory) throws Exception {
    return of(program, directory, "writeback,cache=always");
  }

  /**
   * The same with a cache as network file systems have one: names for a second, contents until a
   * file is opened again.
   */
  public static MirrorMount closeToOpen(Path program, Path directory) throws Exception {
    return of(program, directory, "cache=auto");
  }

  private static MirrorMount of(Path program, Path directory, String options) throws Exception {
    Path place = Files.createTempDirectory("lockstep-mirror-");
    try {
      Process daemon =
          new ProcessBuilder(
                  List.of(
                      program.toString(),
                      "-f",
                      "-o",
                      options + ",source=" + directory + "/.",
                      place.toString()))
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(MOUNT_SECONDS);
      while (!isMounted(place) && daemon.isAlive() && System.nanoTime() < until) {
        Thread.sleep(10);
      }
      boolean mounted = isMounted(place);
      try {
        assumeTrue(mounted, "no mirror: this process may not mount");
        return new MirrorMount(daemon, open(place));
      } finally {
        if (mounted) {
          int unused = SmallFileSystem.run("umount", "--lazy", place.toString());
        } else {
          daemon.destroyForcibly();
        }
      }
    } finally {
      Files.delete(place);
    }
  }

  private static Fd open(Path place) throws SysException {
    return Posix.open(place.toString(), posix_h.O_RDONLY | posix_h.O_DIRECTORY);
  }

  private static boolean isMounted(Path place) throws IOException {
    return Files.readString(Path.of("/proc/self/mounts")).contains(" " + place + " fuse");
  }

  /** Its root, for this process. */
  public Path directory() {
    return Path.of("/proc/self/fd/" + held.number());
  }

  /** The same for any process, while this one has it. */
  public Path directoryForOthers() {
    return Path.of("/proc/%d/fd/%d".formatted(ProcessHandle.current().pid(), held.number()));
  }

  /** What its page cache alone has is gone; every call from now on fails. */
  public void losePower() throws InterruptedException {
    daemon.destroyForcibly().waitFor();
  }

  /** Ends in order: everything is written back when the last file of it is closed. */
  @Override
  public void close() throws IOException {
    held.close();
    try {
      if (!daemon.waitFor(MOUNT_SECONDS, TimeUnit.SECONDS)) {
        daemon.destroyForcibly();
        throw new IOException("a mirror is still in use");
      }
    } catch (InterruptedException e) {
      daemon.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
