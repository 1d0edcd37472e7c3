package lockstep.testvms;

import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * Signals that are ignored where the tests run, as in a background job of a shell script (SIGINT)
 * or under nohup (SIGHUP). Whatever is started there inherits that.
 */
final class IgnoredSignals {
  private static final Map<String, Integer> NUMBERS = Map.of("HUP", 1, "INT", 2);

  private IgnoredSignals() {}

  /** Skips a test whose signal would not arrive. */
  static void assumeNot(String signal) throws IOException {
    Integer number = NUMBERS.get(signal);
    assumeFalse(
        number != null && isIgnored(number),
        () -> "SIG" + signal + " is ignored here, and so by what the tests start");
  }

  private static boolean isIgnored(int number) throws IOException {
    String ignored = "SigIgn:";
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith(ignored))
        .mapToLong(line -> Long.parseUnsignedLong(line.substring(ignored.length()).strip(), 16))
        .anyMatch(signals -> (signals & 1L << (number - 1)) != 0);
  }
}
