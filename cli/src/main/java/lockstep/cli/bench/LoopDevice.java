package lockstep.cli.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.process.Programs;

/** A block device that is a file, by losetup. */
final class LoopDevice {
  private LoopDevice() {}

  /** What it needs that is not here, and what to do. */
  static Optional<String> missing() {
    return Programs.find("losetup").isEmpty()
        ? Optional.of("no losetup: apt-get install util-linux")
        : Optional.empty();
  }

  /**
   * Makes one, which ends with the bench.
   *
   * @throws CommandFailure where this host has none or does not permit it
   */
  static Path attach(BenchWork work, Path image)
      throws IOException, InterruptedException, CommandFailure {
    String losetup = Programs.find("losetup").map(Path::toString).orElse("losetup");
    Path device = Path.of(work.run(List.of(losetup, "--find", "--show", image.toString())).strip());
    work.atEnd(
        () -> {
          try {
            Process process = new ProcessBuilder(losetup, "--detach", device.toString()).start();
            if (process.waitFor() != 0) {
              throw new IOException(device + " is still there: losetup --detach it");
            }
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    return device;
  }
}
