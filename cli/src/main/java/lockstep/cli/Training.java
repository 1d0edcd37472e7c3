package lockstep.cli;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.process.Scratch;
import lockstep.cli.vm.VmCommands;

/**
 * Does in one process what users do, so that the launcher's start-up cache has the classes of it
 * (docs/adr/0001-launcher.md): commands that it is given, then both sides of a pair, of which the
 * backup goes live. What fails is said; the cache then has less in it, and nothing else is wrong.
 */
final class Training {
  private static final long LIMIT_MILLIS = 30_000;
  private static final long POLL_MILLIS = 20;

  /** What the guest does meanwhile is what a pair does most of the time. */
  private static final long GUEST_MILLIS = 500;

  private Training() {}

  /**
   * Trains.
   *
   * @param arguments of a command that goes first
   */
  public static void main(String[] arguments) {
    int code = execute(arguments);
    if (Files.isWritable(Path.of("/dev/kvm"))) {
      try (Scratch scratch = new Scratch("lockstep-training")) {
        pair(scratch.directory());
      } catch (Exception e) {
        System.err.println("lockstep training: " + e);
      }
    }
    // Also when a side of the pair has not ended: the cache is written at the JVM's end.
    System.exit(code);
  }

  private static int execute(String... arguments) {
    return Main.execute(Main.commandLine(arguments), arguments);
  }

  private static CompletableFuture<Integer> start(String... arguments) {
    CompletableFuture<Integer> code = new CompletableFuture<>();
    Thread.ofPlatform().daemon().start(() -> code.complete(execute(arguments)));
    return code;
  }

  private static void pair(Path directory) throws Exception {
    String name = "training-" + ProcessHandle.current().pid();
    String at = "127.0.0.1:" + freePort();
    String disk = "file:" + directory.resolve("disk.img");
    execute("disk", "create", disk, "--size", "1M");
    var backup = start("backup", "--name", name + "-b", "--listen", at, "--disk", disk);
    await(name + "-b", "WAITING");
    var primary =
        start("primary", "--name", name, "--guest", "bank", "--disk", disk, "--backup", at);
    await(name, "PROTECTED");
    Thread.sleep(GUEST_MILLIS);
    execute("failover", name);
    await(name + "-b", "ALONE");
    Thread.sleep(GUEST_MILLIS);
    execute("stop", name + "-b");
    ended(primary);
    ended(backup);
  }

  private static int freePort() throws IOException {
    try (ServerSocket any = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return any.getLocalPort();
    }
  }

  private static void await(String name, String state) throws Exception {
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LIMIT_MILLIS);
    while (!state.equals(stateOf(name))) {
      if (System.nanoTime() > until) {
        throw new TimeoutException(name + " did not become " + state);
      }
      Thread.sleep(POLL_MILLIS);
    }
  }

  private static String stateOf(String name) {
    try {
      return String.valueOf(VmCommands.ask(name, Map.of("command", "status")).get("state"));
    } catch (CommandFailure e) {
      return "not there yet";
    }
  }

  private static void ended(CompletableFuture<Integer> side)
      throws InterruptedException, ExecutionException, TimeoutException {
    int unused = side.get(LIMIT_MILLIS, TimeUnit.MILLISECONDS);
  }
}
