package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import lockstep.cli.control.ControlClient;
import lockstep.cli.process.PairSide;

/** Both sides of a pair with the guest bank as processes of this host, and what tests ask them. */
final class BankSides {
  private static final Pattern LISTENING = Pattern.compile("listening on (\\S+)");
  private static final Pattern GOES_ON = Pattern.compile("goes on at byte (\\d+)");
  private static final long LIMIT_SECONDS = 60;

  private BankSides() {}

  /** {@code lockstep} in a process of its own. */
  static List<String> command(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    command.add("-Dlockstep.home=" + System.getProperty("lockstep.home"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "lockstep.cli.Main"));
    command.addAll(List.of(arguments));
    return command;
  }

  /** A backup that listens on a port of its choice. */
  static PairSide backup(String name, Path image) throws IOException {
    return new PairSide(
        name,
        command(
            "backup",
            "--name",
            name,
            "--listen",
            "127.0.0.1:0",
            "--disk",
            "file:" + image,
            "--failure-timeout",
            "2000"),
        line -> {});
  }

  /** Where a backup listens. */
  static String address(PairSide backup) throws InterruptedException {
    return backup.awaitNote(LISTENING, LIMIT_SECONDS).orElseThrow().group(1);
  }

  /** A primary with the guest bank. */
  static PairSide primary(String name, Path image, String backup, String... more)
      throws IOException {
    return new PairSide(name, primaryCommand(name, image, backup, more), line -> {});
  }

  /** What starts one. */
  static List<String> primaryCommand(String name, Path image, String backup, String... more) {
    List<String> arguments = new ArrayList<>(List.of(more));
    arguments.addAll(
        0,
        List.of(
            "primary",
            "--name",
            name,
            "--guest",
            "bank",
            "--disk",
            "file:" + image,
            "--backup",
            backup,
            "--failure-timeout",
            "2000",
            "--digest-interval",
            "100"));
    return command(arguments.toArray(String[]::new));
  }

  /** A name that no other VM has. */
  static String unique(String what) {
    return "test-%s-%d".formatted(what, System.nanoTime());
  }

  /** All lines of these processes. */
  static String said(PairSide... sides) {
    StringBuilder text = new StringBuilder();
    for (PairSide side : sides) {
      side.notes().forEach(note -> text.append('\n').append(note.text()));
    }
    return text.toString();
  }

  /** Sends a signal, such as STOP. */
  static void signal(PairSide side, String signal) throws Exception {
    String pid = String.valueOf(side.process().pid());
    assertEquals(0, new ProcessBuilder("kill", "-" + signal, pid).start().waitFor());
  }

  /** At which byte of the console a side that has taken over continues. */
  static int goesOnAt(PairSide side) throws InterruptedException {
    return Integer.parseInt(
        side.awaitNote(GOES_ON, LIMIT_SECONDS)
            .orElseThrow(() -> new AssertionError("no takeover" + said(side)))
            .group(1));
  }

  /** Asks a VM by its control socket. */
  static Map<String, Object> ask(String name, Map<String, ?> request) throws IOException {
    try (ControlClient client = ControlClient.connect(name)) {
      return client.ask(request);
    }
  }

  /** Waits until a side is in a state. */
  static void awaitState(String name, String state, PairSide... sides) throws Exception {
    long until = System.nanoTime() + LIMIT_SECONDS * 1_000_000_000L;
    while (!state.equals(ask(name, Map.of("command", "status")).get("state"))) {
      assertTrue(System.nanoTime() < until, () -> "not " + state + said(sides));
      Thread.sleep(20);
    }
  }
}
