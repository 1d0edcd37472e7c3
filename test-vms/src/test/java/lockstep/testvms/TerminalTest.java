package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import lockstep.cli.control.ControlClient;
import lockstep.cli.process.PairSide;
import lockstep.testing.KvmRequired;
import lockstep.testing.PseudoTerminal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A user's terminal is raw while a guest's console is on it and has the modes of before on every
 * way out. Only SIGKILL leaves it raw; nobody can help that.
 */
@KvmRequired
class TerminalTest {
  private static final long LIMIT_SECONDS = 60;
  private static final String LEAVE = "\u0001x";

  /** A boot sector whose exception finds no handler: empty IDT, protected mode, UD2. */
  private static final int[] TRIPLE_FAULT = {
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x0f, 0x01, 0x1e, 0x00, 0x05, // cli; ds = 0; lidt [0x500]
    0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0x0f, 0x0b // CR0.PE = 1; ud2
  };

  @TempDir private Path directory = Path.of("");

  /** A command on a terminal of its own. */
  private static final class Session implements AutoCloseable {
    private final PseudoTerminal terminal = new PseudoTerminal();
    private final String before = terminal.modes();
    private final Process process;

    Session(String... arguments) throws Exception {
      List<String> command = new ArrayList<>();
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
      command.addAll(List.of("-cp", System.getProperty("java.class.path")));
      command.add("lockstep.cli.Main");
      command.addAll(List.of(arguments));
      process =
          new ProcessBuilder(command)
              .redirectInput(terminal.path().toFile())
              .redirectOutput(terminal.path().toFile())
              .redirectErrorStream(true)
              .start();
    }

    void await(String text) throws InterruptedException {
      assertTrue(
          terminal.await(text, LIMIT_SECONDS), () -> "no '" + text + "' in: " + terminal.shown());
    }

    void isRaw() throws Exception {
      assertNotEquals(before, terminal.modes(), "the terminal is not raw");
    }

    void signal(String name) throws Exception {
      assertEquals(0, new ProcessBuilder("kill", "-" + name, "" + process.pid()).start().waitFor());
    }

    /** Waits for its end, which has restored the terminal. */
    int end() throws Exception {
      assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), () -> terminal.shown());
      assertEquals(before, terminal.modes(), () -> "not restored: " + terminal.shown());
      return process.exitValue();
    }

    @Override
    public void close() {
      process.destroyForcibly().onExit().join();
      terminal.close();
    }
  }

  private static Session echo(String... more) throws Exception {
    List<String> arguments = new ArrayList<>(List.of("run", "--guest", "echo"));
    arguments.addAll(List.of(more));
    Session session = new Session(arguments.toArray(String[]::new));
    session.await("> ");
    session.isRaw();
    return session;
  }

  @Test
  void guestThatEndsItself() throws Exception {
    try (Session session = echo()) {
      session.terminal.type("exit 3\r");
      assertEquals(3, session.end());
    }
  }

  @Test
  void userWhoLeaves() throws Exception {
    try (Session session = echo()) {
      session.terminal.type("\u0001h");
      session.await("Ctrl-A x");
      session.terminal.type(LEAVE);
      assertEquals(0, session.end());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"INT", "TERM", "HUP"})
  void signalThatEnds(String signal) throws Exception {
    IgnoredSignals.assumeNot(signal);
    try (Session session = echo()) {
      session.signal(signal);
      assertNotEquals(0, session.end());
    }
  }

  @Test
  void signalThatEndsWhileSnapshotIsWritten() throws Exception {
    Path snapshot = directory.resolve("state.snap");
    try (Session session = echo("--snapshot", snapshot.toString())) {
      session.signal("TERM");
      assertNotEquals(0, session.end());
      assertTrue(Files.exists(snapshot));
    }
  }

  @Test
  void signalThatShowsThreadsEndsNothing() throws Exception {
    try (Session session = echo()) {
      session.signal("QUIT");
      session.await("vcpu-0");
      session.isRaw();
      session.terminal.type("exit 4\r");
      assertEquals(4, session.end());
    }
  }

  @Test
  void guestThatCrashes() throws Exception {
    byte[] sector = new byte[512];
    for (int i = 0; i < TRIPLE_FAULT.length; i++) {
      sector[i] = (byte) TRIPLE_FAULT[i];
    }
    sector[510] = 0x55;
    sector[511] = (byte) 0xaa;
    Path kernel = Files.write(directory.resolve("crash.img"), sector);
    try (Session session = new Session("run", "--kernel", kernel.toString())) {
      assertEquals(1, session.end());
      session.await("lockstep run: ");
    }
  }

  @Test
  void commandThatFailsBeforeItsGuestStarts() throws Exception {
    try (Session session = new Session("run", "--guest", "echo", "--disk", "file:/no/such")) {
      assertEquals(1, session.end());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"keys", "TERM", "HUP", "vm-ends", "vm-killed"})
  void terminalThatIsAttached(String way) throws Exception {
    IgnoredSignals.assumeNot(way);
    String name = "test-terminal-" + System.nanoTime();
    try (Session vm = echo("--name", name);
        Session attached = new Session("console", name)) {
      awaitRaw(attached);
      switch (way) {
        case "keys" -> attached.terminal.type(LEAVE);
        case "vm-ends" -> vm.terminal.type("exit 5\r");
        case "vm-killed" -> vm.process.destroyForcibly();
        default -> attached.signal(way);
      }
      int code = attached.end();
      assertEquals(way.equals("TERM") || way.equals("HUP"), code != 0, "exit code " + code);
    }
  }

  /** Nothing is shown until somebody types, so the terminal itself is looked at. */
  private static void awaitRaw(Session session) throws Exception {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (session.before.equals(session.terminal.modes())) {
      assertTrue(System.nanoTime() - until < 0, () -> session.terminal.shown());
      Thread.sleep(20);
    }
  }

  @Test
  void primaryWhoseBackupIsKilled() throws Exception {
    String arbiter = "file:" + directory.resolve("arbiter");
    String name = "test-terminal-" + System.nanoTime();
    try (PairSide backup = backup(arbiter)) {
      String at =
          backup
              .awaitNote(Pattern.compile("listening on (\\S+)"), LIMIT_SECONDS)
              .orElseThrow()
              .group(1);
      try (Session primary =
          new Session(
              "primary",
              "--guest",
              "echo",
              "--arbiter",
              arbiter,
              "--name",
              name,
              "--failure-timeout",
              "2000",
              "--backup",
              at)) {
        primary.await("> ");
        primary.isRaw();
        backup.kill();
        primary.await("goes on alone");
        primary.terminal.type("still here\r");
        primary.await("STILL HERE");
        try (ControlClient client = ControlClient.connect(name)) {
          client.ask(java.util.Map.of("command", "stop"));
        }
        assertEquals(0, primary.end());
      }
    }
  }

  private static PairSide backup(String arbiter) throws IOException {
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            "lockstep.cli.Main",
            "backup",
            "--listen",
            "127.0.0.1:0",
            "--arbiter",
            arbiter,
            "--failure-timeout",
            "2000");
    return new PairSide("backup", command, line -> {});
  }
}
