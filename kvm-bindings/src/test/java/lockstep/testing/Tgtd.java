package lockstep.testing;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/**
 * A tgtd of our own on the loopback interface, with its own control socket. Its LUN 1 is a file;
 * more can be added. It can be killed and started again with the same LUNs, as a target whose
 * machine was reset would come back.
 */
public final class Tgtd implements AutoCloseable {
  /** The target's name. */
  public static final String TARGET = "iqn.2026-11.dev.lockstep.test:disk";

  private static final Path PROGRAM = Path.of("/usr/sbin/tgtd");
  private static final String ADMIN = "/usr/sbin/tgtadm";
  private static final String LIBRARY = "libiscsi.so.7";
  private static final List<String> LIBRARY_DIRECTORIES =
      List.of("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib");
  private static final long START_SECONDS = 15;

  /** Control numbers that it takes. */
  private static final int MAX_CONTROL = 1 << 15;

  private final int port;
  private final int control;
  private final List<List<String>> setUp = new ArrayList<>();
  private Process process;

  private Tgtd() throws IOException, InterruptedException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    control = port % MAX_CONTROL;
    process = launch();
  }

  /** Starts one, or skips the test where there is none, saying so. */
  public static Tgtd start(Path image) throws Exception {
    String missing = missing();
    if (!missing.isEmpty()) {
      System.out.println("iSCSI tests are skipped: " + missing);
    }
    Assumptions.assumeTrue(missing.isEmpty(), missing);
    Tgtd tgtd = new Tgtd();
    try {
      tgtd.admin("--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET);
      tgtd.unit(1, image);
      tgtd.admin("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL");
      return tgtd;
    } catch (IOException | InterruptedException e) {
      tgtd.close();
      throw e;
    }
  }

  private static String missing() {
    if (!Files.isExecutable(PROGRAM)) {
      return "no " + PROGRAM + ": install tgt";
    }
    if (!Files.isWritable(Path.of("/run"))) {
      return "tgtd needs root";
    }
    if (LIBRARY_DIRECTORIES.stream()
        .noneMatch(directory -> Files.exists(Path.of(directory, LIBRARY)))) {
      return "no " + LIBRARY + ": install libiscsi7";
    }
    return "";
  }

  private Process launch() throws IOException, InterruptedException {
    Files.createDirectories(Path.of("/run/tgtd"));
    Process started =
        // So that it ends with this thread, even where a test is killed.
        new ProcessBuilder(
                "setpriv",
                "--pdeathsig",
                "KILL",
                PROGRAM.toString(),
                "-f",
                "-C",
                String.valueOf(control),
                "--iscsi",
                "portal=127.0.0.1:" + port)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (System.nanoTime() < until && started.isAlive()) {
      try (Socket there = new Socket(InetAddress.getLoopbackAddress(), port)) {
        if (there.isConnected() && Files.exists(Path.of("/run/tgtd/socket." + control))) {
          return started;
        }
      } catch (IOException e) {
        // Not yet.
      }
      Thread.sleep(20);
    }
    started.destroyForcibly();
    throw new IOException("tgtd does not listen on port " + port);
  }

  /** Sets it up further; also after each restart. */
  public void admin(String... arguments) throws IOException, InterruptedException {
    List<String> words = Arrays.asList(arguments);
    setUp.add(words);
    run(words);
  }

  private void run(List<String> words) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(List.of(ADMIN, "-C", String.valueOf(control), "--lld", "iscsi"));
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

  /** Sets parameters of a LUN. */
  public void parameters(int lun, String parameters) throws IOException, InterruptedException {
    admin(
        "--op",
        "update",
        "--mode",
        "logicalunit",
        "--tid",
        "1",
        "--lun",
        String.valueOf(lun),
        "--params",
        parameters);
  }

  /** Where its portal listens, on the loopback interface. */
  public int port() {
    return port;
  }

  /** What stands behind {@code iscsi:} for a LUN, through the target's own port. */
  public String address(int lun, String options) {
    return address(port, lun, options);
  }

  /** The same through another port. */
  public static String address(int port, int lun, String options) {
    return "//127.0.0.1:%d/%s/%d%s".formatted(port, TARGET, lun, options);
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

  /** Stops or continues it, as a target that is too busy would look. */
  public void signal(String name) throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-" + name, String.valueOf(process.pid())).start().waitFor();
  }

  @Override
  public void close() throws IOException {
    kill();
    for (String name : List.of("socket." + control, "socket." + control + ".lock")) {
      Files.deleteIfExists(Path.of("/run/tgtd", name));
    }
  }
}
