package lockstep.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * A loop device of this kernel over a file. It is detached right after it was opened, which Linux
 * puts off until the last one closes it: even a killed test leaves none behind.
 */
public final class LoopDevice implements AutoCloseable {
  private final Path path;
  private final FileChannel held;

  private LoopDevice(Path path, FileChannel held) {
    this.path = path;
    this.held = held;
  }

  /** Attaches a file; where this host cannot, the test is skipped with the reason. */
  public static LoopDevice over(Path file, String... options) throws Exception {
    assumeTrue(
        Files.isWritable(Path.of("/dev/loop-control")),
        "no loop devices: /dev/loop-control is missing or not ours");
    List<String> command = new ArrayList<>(List.of("losetup", "--find", "--show"));
    command.addAll(List.of(options));
    command.add(file.toString());
    String name;
    try {
      name = run(command);
    } catch (IOException e) {
      assumeTrue(false, "no loop device: " + e.getMessage());
      throw e;
    }
    try {
      return new LoopDevice(
          Path.of(name), FileChannel.open(Path.of(name), StandardOpenOption.READ));
    } finally {
      run(List.of("losetup", "--detach", name));
    }
  }

  private static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException(String.join(" ", command) + ": " + said.strip());
    }
    return said.strip();
  }

  /** Where it is. */
  public Path path() {
    return path;
  }

  @Override
  public void close() throws IOException {
    held.close();
  }
}
