package lockstep.testvms;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Two hosts as far as the network goes: a network namespace each, a cable between them that can be
 * pulled and throttled, and the same file system. Needs root, and leaves nothing behind.
 */
final class TwoHosts implements AutoCloseable {
  /** The hosts. */
  enum Host {
    ONE,
    TWO
  }

  private static final long TOOL_SECONDS = 20;
  private static final AtomicInteger NUMBERS = new AtomicInteger();

  private final String prefix =
      "lst%d-%d".formatted(ProcessHandle.current().pid(), NUMBERS.incrementAndGet());

  /** Makes them. */
  TwoHosts() throws IOException {
    try {
      for (Host host : Host.values()) {
        ip("netns", "add", name(host));
        ip("-n", name(host), "link", "set", "lo", "up");
      }
      ip(
          "link",
          "add",
          "wire",
          "netns",
          name(Host.ONE),
          "type",
          "veth",
          "peer",
          "name",
          "wire",
          "netns",
          name(Host.TWO));
      for (Host host : Host.values()) {
        ip("-n", name(host), "addr", "add", address(host) + "/30", "dev", "wire");
        ip("-n", name(host), "link", "set", "wire", "up");
      }
    } catch (IOException e) {
      close();
      throw e;
    }
  }

  /** Why there can be none here; empty if there can. */
  static Optional<String> complaint() {
    try (TwoHosts hosts = new TwoHosts()) {
      hosts.cut();
      return Optional.empty();
    } catch (IOException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  private String name(Host host) {
    return prefix + (host == Host.ONE ? "-one" : "-two");
  }

  /** Where a host is on the wire. */
  String address(Host host) {
    return host == Host.ONE ? "10.77.0.1" : "10.77.0.2";
  }

  /** A command as it is started on a host; the process is the command's own. */
  List<String> on(Host host, List<String> command) {
    List<String> all = new ArrayList<>(List.of("ip", "netns", "exec", name(host)));
    all.addAll(command);
    return all;
  }

  /** Pulls the cable: both kernels know, and nobody says a word to the programs. */
  void cut() throws IOException {
    ip("-n", name(Host.ONE), "link", "set", "wire", "down");
  }

  /** Puts it back. */
  void heal() throws IOException {
    ip("-n", name(Host.ONE), "link", "set", "wire", "up");
  }

  /**
   * Lets so much through, both ways; what is more waits, and beyond 300 ms of waiting is lost.
   *
   * @param rate as tc(8) takes it
   */
  void slow(String rate) throws IOException {
    for (Host host : Host.values()) {
      tc(host, "replace", "root", "tbf", "rate", rate, "burst", "4k", "latency", "300ms");
    }
  }

  /** Ends {@link #slow}. */
  void fast() throws IOException {
    for (Host host : Host.values()) {
      tc(host, "del", "root");
    }
  }

  private void tc(Host host, String what, String... more) throws IOException {
    List<String> command = new ArrayList<>(on(host, List.of("tc", "qdisc", what, "dev", "wire")));
    command.addAll(List.of(more));
    tool(command);
  }

  private static void ip(String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments));
    tool(command);
  }

  private static void tool(List<String> command) throws IOException {
    Path output = Files.createTempFile("lockstep-tool", ".txt");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      if (!process.waitFor(TOOL_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IOException(String.join(" ", command) + ": hangs");
      }
      if (process.exitValue() != 0) {
        throw new IOException(String.join(" ", command) + ": " + Files.readString(output).strip());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } finally {
      Files.delete(output);
    }
  }

  @Override
  public void close() {
    for (Host host : Host.values()) {
      try {
        // The wire goes with them.
        ip("netns", "del", name(host));
      } catch (IOException e) {
        // It was never made.
      }
    }
  }
}
