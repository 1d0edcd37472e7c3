package lockstep.testvms;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.cli.guest.BuiltInGuest;
import lockstep.cli.guest.GuestCatalog;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootFile;

/**
 * Offers the tiny Linux to {@code lockstep run --guest}. Its files are built by {@code
 * test-vms/linux/build} into a cache outside the tree, the first time that somebody asks.
 */
public final class LinuxCatalog implements GuestCatalog {
  /** The guest's name. */
  public static final String NAME = "linux";

  /**
   * What the tiny kernel is told. lpj saves the calibration of the delay loop; the APICs do not
   * exist; reboot=k resets through the keyboard controller, which says reset and not crash.
   */
  public static final String COMMAND_LINE =
      "console=ttyS0 lpj=1000 nolapic noapic rodata=off mitigations=off nokaslr reboot=k quiet loglevel=3";

  private static final long MEMORY_BYTES = 64L << 20;

  /** For ServiceLoader. */
  public LinuxCatalog() {}

  @Override
  public List<BuiltInGuest> guests() {
    return List.of(
        new BuiltInGuest(
            NAME,
            "a tiny Linux 6.1 with a shell on the console; the first use builds it, 5 minutes",
            MEMORY_BYTES,
            COMMAND_LINE,
            new Built()));
  }

  /** Built on first use. */
  private static final class Built implements BuiltInGuest.Source {
    @Override
    public BuiltInGuest.Files files(Consumer<String> notes) throws BootException {
      return LinuxCatalog.files(notes);
    }

    @Override
    public boolean ready() {
      try {
        return built().isPresent();
      } catch (BootException e) {
        return false;
      }
    }
  }

  /** The directory with the built files, if they are there; builds nothing. */
  public static Optional<Path> built() throws BootException {
    Result result = run(false, "--path");
    return result.code == 0 ? Optional.of(Path.of(result.output.strip())) : Optional.empty();
  }

  private static BuiltInGuest.Files files(Consumer<String> notes) throws BootException {
    Optional<Path> directory = built();
    if (directory.isEmpty()) {
      notes.accept("building the tiny Linux, about 5 minutes, once");
      if (run(true).code != 0) {
        throw new BootException(
            "guest " + NAME, "could not be built", "see the reason above; test-vms/linux/build");
      }
      directory = built();
    }
    Path found =
        directory.orElseThrow(
            () ->
                new BootException(
                    "guest " + NAME, "is not where its build put it", "run it once more"));
    return new BuiltInGuest.Files(
        BootFile.read(found.resolve("vmlinux")),
        Optional.of(BootFile.read(found.resolve("initrd.cpio"))));
  }

  private record Result(int code, String output) {}

  private static Result run(boolean showProgress, String... arguments) throws BootException {
    Path script =
        Path.of(System.getProperty("lockstep.home", "."), "test-vms", "linux", "build")
            .toAbsolutePath();
    if (!Files.isExecutable(script)) {
      throw new BootException(
          "guest " + NAME, "needs " + script, "start lockstep from its source tree");
    }
    ProcessBuilder builder = new ProcessBuilder();
    builder.command().add(script.toString());
    builder.command().addAll(List.of(arguments));
    builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
    builder.redirectError(
        showProgress ? ProcessBuilder.Redirect.INHERIT : ProcessBuilder.Redirect.DISCARD);
    try {
      Process process = builder.start();
      try {
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), output);
      } catch (InterruptedException e) {
        process.destroy();
        Thread.currentThread().interrupt();
        throw new BootException("guest " + NAME, "build was interrupted", "start it again");
      }
    } catch (IOException e) {
      throw new BootException(
          "guest " + NAME, "cannot run " + script + ": " + e.getMessage(), "check the file");
    }
  }
}
