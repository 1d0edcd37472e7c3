package lockstep.storage.iscsi;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * An iSCSI target of one's own, for benchmarks and tests: a {@code tgtd} on the loopback interface,
 * with a control socket of its own. Its LUN 1 is a file; more can be added. It can be killed and
 * started again with the same LUNs, as a target whose machine was reset would come back.
 *
 * <p>The kernel kills it when the thread that started it ends, however that comes about. Not
 * thread-safe.
 */
public final class OwnTarget implements AutoCloseable {
  /** The number of its first LUN. */
  public static final int LUN = 1;

  private static final Path PROGRAM = Path.of("/usr/sbin/tgtd");
  private static final Path ADMIN = Path.of("/usr/sbin/tgtadm");
  private static final Path CONTROL = Path.of("/run/tgtd");
  private static final long START_SECONDS = 15;
  private static final int LOOK_MILLIS = 20;

  /** Control numbers that it takes. */
  private static final int MAX_CONTROL = 1 << 15;

  private final String name;
  private final int port;
  private final int control;
  private final List<List<String>> setUp = new ArrayList<>();
  private Process process;

  private OwnTarget(String name) throws IOException, InterruptedException {
    this.name = name;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    control = port % MAX_CONTROL;
    process = launch();
  }

  /** What it needs that is not here, and what to do; empty when it can be started. */
  public static Optional<String> missing() {
    if (!Files.isExecutable(PROGRAM) || !Files.isExecutable(ADMIN)) {
      return Optional.of("no " + PROGRAM + ": apt-get install tgt");
    }
    return Files.isWritable(Path.of("/run"))
        ? Optional.empty()
        : Optional.of("tgtd needs root: run it as root");
  }

  /**
   * Starts one, open to all who connect.
   *
   * @param name the target's iSCSI name
   * @param image what its LUN 1 is
   * @throws IOException when it does not start or refuses its set-up; one line
   */
  public static OwnTarget start(String name, Path image) throws IOException, InterruptedException {
    OwnTarget target = new OwnTarget(name);
    try {
      target.admin("--op", "new", "--mode", "target", "--tid", "1", "-T", name);
      target.unit(LUN, image);
      target.admin("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL");
      return target;
    } catch (IOException | InterruptedException e) {
      target.close();
      throw e;
    }
  }

  private Process launch() throws IOException, InterruptedException {
    Files.createDirectories(CONTROL);
    Process started =
        new ProcessBuilder(
                "setpriv",
                "--pdeathsig",
                "KILL",
                PROGRAM.toString(),
                "-f",
                "-C",
                String.valueOf(control),
                "--iscsi",
                "portal=" + portal())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (System.nanoTime() < until && started.isAlive()) {
      try (Socket there = new Socket(InetAddress.getLoopbackAddress(), port)) {
        if (there.isConnected() && Files.exists(CONTROL.resolve("socket." + control))) {
          return started;
        }
      } catch (IOException e) {
        // Not yet.
      }
      Thread.sleep(LOOK_MILLIS);
    }
    started.destroyForcibly();
    throw new IOException("tgtd does not listen on port " + port);
  }

  /**
   * Sets it up further, by words of {@code tgtadm}; also after each restart.
   *
   * @throws IOException when it refuses, with what it said
   */
  public void admin(String... words) throws IOException, InterruptedException {
    setUp.add(List.of(words));
    run(List.of(words));
  }

  private void run(List<String> words) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(List.of(ADMIN.toString(), "-C", String.valueOf(control), "--lld", "iscsi"));
    command.addAll(words);
    Process admin = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(admin.getInputStream().readAllBytes(), UTF_8);
    if (admin.waitFor() != 0) {
      throw new IOException(String.join(" ", command) + ": " + output.strip());
    }
  }

  /** Adds a LUN. */
  public void unit(int lun, Path image) throws IOException, InterruptedException {
    admin(
        "--op",
        "new",
        "--mode",
        "logicalunit",
        "--tid",
        "1",
        "--lun",
        String.valueOf(lun),
        "-b",
        image.toString());
  }

  /** The target's iSCSI name. */
  public String name() {
    return name;
  }

  /** Where its portal listens, on the loopback interface. */
  public int port() {
    return port;
  }

  /** {@code HOST:PORT}. */
  public String portal() {
    return "127.0.0.1:" + port;
  }

  /** What stands behind {@code iscsi:} in a disk's name. */
  public String address(int lun) {
    return "//%s/%s/%d".formatted(portal(), name, lun);
  }

  /** Its process. */
  public long pid() {
    return process.pid();
  }

  /** SIGKILL: it forgets all but what is in the images. */
  public void kill() {
    process.destroyForcibly().onExit().join();
  }

  /** Starts it again after {@link #kill}. */
  public void restart() throws IOException, InterruptedException {
    process = launch();
    for (List<String> words : setUp) {
      run(words);
    }
  }

  /** What a tgtd that is killed leaves behind. */
  List<Path> leftovers() {
    return List.of(
        CONTROL.resolve("socket." + control), CONTROL.resolve("socket." + control + ".lock"));
  }

  @Override
  public void close() throws IOException {
    kill();
    for (Path file : leftovers()) {
      Files.deleteIfExists(file);
    }
  }
}
