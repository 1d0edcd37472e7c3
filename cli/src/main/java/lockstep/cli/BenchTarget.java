package lockstep.cli;

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

/** An iSCSI target of a benchmark's own: tgtd on the loopback interface, with one LUN, a file. */
final class BenchTarget {
  private static final String NAME = "iqn.2026-11.dev.lockstep.bench:disk";
  private static final int LUN = 1;
  private static final Path CONTROL = Path.of("/run/tgtd");
  private static final long START_SECONDS = 15;
  private static final int LOOK_MILLIS = 20;

  /** Control numbers that it takes. */
  private static final int MAX_CONTROL = 1 << 15;

  private final int port;

  private BenchTarget(int port) {
    this.port = port;
  }

  /** What it needs that is not here, and what to do. */
  static Optional<String> missing() {
    if (BenchWork.find("tgtd").isEmpty() || BenchWork.find("tgtadm").isEmpty()) {
      return Optional.of("no tgtd: apt-get install tgt");
    }
    return Files.isWritable(Path.of("/run"))
        ? Optional.empty()
        : Optional.of("tgtd needs root: run it as root");
  }

  /** Starts it; it ends with the bench. */
  static BenchTarget start(BenchWork work, Path image) throws Exception {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    int control = port % MAX_CONTROL;
    Files.createDirectories(CONTROL);
    Process process =
        work.start(
            new ProcessBuilder(
                    program("tgtd"),
                    "-f",
                    "-C",
                    String.valueOf(control),
                    "--iscsi",
                    "portal=127.0.0.1:" + port)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD),
            () -> {
              Files.deleteIfExists(socket(control));
              Files.deleteIfExists(CONTROL.resolve("socket." + control + ".lock"));
            });
    awaitListening(process, port, control);
    admin(work, control, "--mode", "target", "--op", "new", "--tid", "1", "-T", NAME);
    admin(
        work,
        control,
        "--mode",
        "logicalunit",
        "--op",
        "new",
        "--tid",
        "1",
        "--lun",
        String.valueOf(LUN),
        "-b",
        image.toString());
    admin(work, control, "--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL");
    return new BenchTarget(port);
  }

  private static Path socket(int control) {
    return CONTROL.resolve("socket." + control);
  }

  private static String program(String name) {
    return BenchWork.find(name).map(Path::toString).orElse(name);
  }

  private static void awaitListening(Process process, int port, int control)
      throws InterruptedException, CommandFailure {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (System.nanoTime() < until && process.isAlive()) {
      try (Socket there = new Socket(InetAddress.getLoopbackAddress(), port)) {
        if (there.isConnected() && Files.exists(socket(control))) {
          return;
        }
      } catch (IOException e) {
        // Not yet.
      }
      Thread.sleep(LOOK_MILLIS);
    }
    throw new CommandFailure("tgtd does not listen on port " + port, "try tgtd -f by hand");
  }

  private static void admin(BenchWork work, int control, String... arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(program("tgtadm"), "-C", String.valueOf(control), "--lld", "iscsi"));
    command.addAll(List.of(arguments));
    work.run(command);
  }

  /** What stands behind {@code iscsi:} in the disk's name. */
  String address() {
    return "//" + portal() + "/" + NAME + "/" + LUN;
  }

  /** {@code HOST:PORT}. */
  String portal() {
    return "127.0.0.1:" + port;
  }

  /** The target's iSCSI name. */
  String target() {
    return NAME;
  }

  /** The LUN's number. */
  int lun() {
    return LUN;
  }
}
