package lockstep.testvms.lab;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Runs a program of this machine to its end. */
final class Tool {
  private Tool() {}

  /**
   * Its standard output and error.
   *
   * @throws LabException when it cannot be started or its exit code is not 0
   */
  static String run(List<String> command) throws LabException, InterruptedException {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      int code = process.waitFor();
      if (code != 0) {
        throw new LabException(
            "%s failed with exit code %d: %s".formatted(command.getFirst(), code, output.strip()));
      }
      return output;
    } catch (IOException e) {
      throw new LabException(command.getFirst() + " cannot be run: " + e.getMessage(), e);
    }
  }
}
