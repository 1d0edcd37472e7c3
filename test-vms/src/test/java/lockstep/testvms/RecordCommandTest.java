package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogReader;
import lockstep.replay.log.LogWriter;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code record}, {@code replay} and {@code log} as a user has them: processes and a file. */
@KvmRequired
class RecordCommandTest {
  private static final long LIMIT_SECONDS = 300;

  /** 128 and the number of SIGTERM. */
  private static final int TERMINATED = 143;

  @TempDir private Path directory = Path.of("");

  /** What a command printed, and its exit code. */
  private record Answer(int code, String text) {
    Answer {
      assertFalse(text.contains("internal error"), text);
    }

    boolean isOneLine() {
      return text.strip().lines().count() == 1;
    }
  }

  private static Answer lockstep(String name, String... arguments) throws Exception {
    try (ConsoleSession session = ConsoleSession.of(name, arguments)) {
      int code = session.exitCode();
      return new Answer(code, session.transcript());
    }
  }

  private Path recordEcho() throws Exception {
    Path log = directory.resolve("echo.log");
    try (ConsoleSession session = ConsoleSession.of("record", log.toString(), "--guest", "echo")) {
      session.await("> ", LIMIT_SECONDS);
      session.typeRaw("hello\r");
      session.await("HELLO", LIMIT_SECONDS);
      session.typeRaw("exit 5\r");
      assertEquals(5, session.exitCode(), session.transcript());
    }
    return log;
  }

  @Test
  void placementCounterIsRefusedInOneLineWhereThePmuDoesNotPassAndWorksWhereItDoes()
      throws Exception {
    Path log = directory.resolve("counter.log");
    Answer answer =
        lockstep("record", log.toString(), "--guest", "hello", "--placement", "counter");
    if (answer.code() == 0) {
      Answer replay = lockstep("replay", log.toString());
      assertEquals(0, replay.code(), replay.text());
    } else {
      assertEquals(1, answer.code(), answer.text());
      assertTrue(answer.isOneLine(), answer.text());
      assertTrue(answer.text().contains("placement counter: "), answer.text());
      assertFalse(Files.exists(log), "a refused recording left a log");
    }
  }

  @Test
  void aRecordingReplaysFromItsFileAloneAndTheLogCommandsReadIt() throws Exception {
    Path log = recordEcho();
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(log)));

    Answer replay = lockstep("replay", log.toString());
    assertEquals(0, replay.code(), replay.text());
    assertTrue(replay.text().contains("HELLO"), replay.text());
    assertTrue(replay.text().contains("equal to the recording"), replay.text());

    Answer verify = lockstep("replay", log.toString(), "--verify");
    assertEquals(0, verify.code(), verify.text());
    assertFalse(verify.text().contains("HELLO"), verify.text());

    Answer part = lockstep("replay", log.toString(), "--to", "20");
    assertEquals(0, part.code(), part.text());
    assertTrue(part.text().contains("20 guest exits"), part.text());

    assertSaysWhereItEnds(log);

    Answer whole = lockstep("log", "verify", log.toString());
    assertEquals(0, whole.code(), whole.text());
    assertTrue(whole.text().contains("whole"), whole.text());

    Answer dump = lockstep("log", "dump", log.toString());
    assertTrue(dump.text().contains("input ConsoleBytes"), dump.text());
    assertTrue(dump.text().contains("end (EXIT_PORT)"), dump.text());

    Answer stat = lockstep("log", "stat", log.toString(), "--json");
    assertTrue(stat.text().contains("\"complete\": true"), stat.text());
    String table = lockstep("log", "stat", log.toString()).text();
    assertTrue(table.contains("guest time 0.00 s"), table);
    assertFalse(table.contains("Infinity"), "a guest that reads no clock has no rate: " + table);
  }

  /** Exactly the log's last exit can be reached; one more cannot. */
  private static void assertSaysWhereItEnds(Path log) throws Exception {
    Matcher exits =
        Pattern.compile("recording: (\\d+) guest exits")
            .matcher(lockstep("replay", log.toString(), "--verify").text());
    assertTrue(exits.find());
    long last = Long.parseLong(exits.group(1));
    Answer end = lockstep("replay", log.toString(), "--verify", "--to", String.valueOf(last));
    assertEquals(0, end.code(), end.text());
    Answer beyond =
        lockstep("replay", log.toString(), "--verify", "--to", String.valueOf(last + 1));
    assertEquals(1, beyond.code(), beyond.text());
    assertTrue(beyond.isOneLine(), beyond.text());
    assertTrue(
        beyond.text().contains("--to %d is beyond it: %d guest exits".formatted(last + 1, last)),
        beyond.text());
    assertTrue(beyond.text().contains("there the log ends"), beyond.text());
  }

  @Test
  void aRecordingThatASignalEndedIsWholeAndTheGuestCanGoOnLive() throws Exception {
    Path log = directory.resolve("stopped.log");
    try (ConsoleSession session = ConsoleSession.of("record", log.toString(), "--guest", "echo")) {
      session.await("> ", LIMIT_SECONDS);
      session.typeRaw("one\r");
      session.await("ONE", LIMIT_SECONDS);
      session.terminate();
      assertEquals(TERMINATED, session.exitCode(), session.transcript());
    }
    Answer replay = lockstep("replay", log.toString(), "--verify");
    assertEquals(0, replay.code(), replay.text());

    try (ConsoleSession live = ConsoleSession.of("replay", log.toString(), "--go-live")) {
      live.await("goes on live", LIMIT_SECONDS);
      live.typeRaw("two\r");
      live.await("TWO", LIMIT_SECONDS);
      live.typeRaw("exit 6\r");
      assertEquals(6, live.exitCode(), live.transcript());
      assertTrue(live.transcript().contains("ONE"), live.transcript());
    }
  }

  @Test
  void aLogWhoseWriterWasKilledReplaysAsFarAsItGoes() throws Exception {
    Path log = directory.resolve("killed.log");
    try (ConsoleSession session = ConsoleSession.of("record", log.toString(), "--guest", "echo")) {
      session.await("> ", LIMIT_SECONDS);
      session.typeRaw("one\r");
      session.await("ONE", LIMIT_SECONDS);
      // The recorder flushes when an input comes and a second has passed.
      Thread.sleep(1_500);
      session.typeRaw("two\r");
      session.await("TWO", LIMIT_SECONDS);
      session.kill();
    }
    Answer verify = lockstep("log", "verify", log.toString());
    assertEquals(1, verify.code(), verify.text());
    assertTrue(verify.text().contains("cut at entry"), verify.text());

    Answer replay = lockstep("replay", log.toString());
    assertEquals(0, replay.code(), replay.text());
    assertTrue(replay.text().contains("as far as the log goes"), replay.text());
    assertTrue(replay.text().contains("ONE"), replay.text());
    assertEquals(1, lockstep("replay", log.toString(), "--verify").code());
  }

  /** The same log with a clock reading half a PIT period later from the n-th on. */
  private static void changeClock(Path log, Path changed, int from) throws Exception {
    try (LogReader reader = LogReader.open(log);
        LogWriter writer = LogWriter.create(changed, reader.header())) {
      try (OutputStream state = writer.stateStream()) {
        reader.stateStream().transferTo(state);
      }
      for (int readings = 0; reader.peekKind() != null; ) {
        LogEntry entry = reader.take();
        if (entry instanceof LogEntry.Clock clock && ++readings >= from) {
          writer.append(new LogEntry.Clock(clock.nanos() + 7_000_003));
        } else {
          writer.append(entry);
        }
      }
      writer.flush();
    }
  }

  @Test
  void aDivergenceIsReportedWithCodeAndCommandsThatShowItAgainAndStopBeforeIt() throws Exception {
    Path log = directory.resolve("ports.log");
    assertEquals(0, lockstep("record", log.toString(), "--guest", "ports").code());
    Path changed = directory.resolve("it's changed.log");
    changeClock(log, changed, 10);
    Answer first = lockstep("replay", changed.toString());
    assertEquals(1, first.code(), first.text());
    for (String part :
        List.of(
            "divergence (",
            "the sides were the same: guest exits up to ",
            "recorded side: ",
            "replayed side: registers behind exit ",
            "last guest exits of the replay:",
            "=> ")) {
      assertTrue(first.text().contains(part), first.text());
    }

    assertEquals(
        headline(first.text()),
        headline(shell(commandBehind("to see it again: ", first.text()), 1)),
        "another divergence");
    String before = shell(commandBehind("to stop before it: ", first.text()), 0);
    assertTrue(before.contains("equal to the recording so far"), before);
  }

  private static String headline(String text) {
    return text.lines().filter(line -> line.contains("divergence (")).findFirst().orElse(text);
  }

  private static String commandBehind(String words, String text) {
    return text.lines()
        .filter(line -> line.startsWith(words))
        .map(line -> line.substring(words.length()))
        .findFirst()
        .orElseThrow(() -> new AssertionError(text));
  }

  /** What a user's shell makes of a printed command. */
  private static String shell(String command, int code) throws Exception {
    assertTrue(command.startsWith("lockstep replay "), command);
    Process words = new ProcessBuilder("/bin/sh", "-c", "printf '%s\\n' " + command).start();
    List<String> split =
        new String(words.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    assertEquals(0, words.waitFor());
    Answer answer = lockstep("replay", split.subList(2, split.size()).toArray(String[]::new));
    assertEquals(code, answer.code(), answer.text());
    return answer.text();
  }

  @Test
  void badInputGetsOneClearLine() throws Exception {
    Path other = directory.resolve("other");
    Files.writeString(other, "this is something else, long enough to look at");
    Path foreign = directory.resolve("foreign");
    byte[] bytes = Files.readAllBytes(recordEcho());
    bytes[8] = 9;
    Files.write(foreign, bytes);
    String[][] bad = {
      {"replay", directory.resolve("none").toString(), "no such file"},
      {"replay", directory.toString(), "directory"},
      {"replay", other.toString(), "is no Lockstep log"},
      {
        "replay",
        foreign.toString(),
        "log %s is a log of version 9, and this Lockstep reads version 3; read it with"
            .formatted(foreign)
      },
      {"log", "stat", other.toString(), "is no Lockstep log"},
      {"log", "dump", foreign.toString(), "is a log of version 9"},
      {"record", directory.resolve("no/such").toString(), "--guest", "hello", "no such file"},
      {"record", other.toString(), "--guest", "hello", "--placement", "wild", "no placement"},
    };
    for (String[] line : bad) {
      String[] arguments = Arrays.copyOfRange(line, 1, line.length - 1);
      Answer answer = lockstep(line[0], arguments);
      assertTrue(answer.code() == 1 || answer.code() == 2, answer.text());
      assertTrue(answer.isOneLine(), answer.text());
      assertTrue(answer.text().contains(line[line.length - 1]), answer.text());
    }
  }

  @Test
  void everyCommandHasHelpWithAnExample() throws Exception {
    String[][] commands = {
      {"record", "--help"}, {"replay", "--help"}, {"log", "--help"},
      {"log", "dump", "--help"}, {"log", "stat", "--help"}, {"log", "verify", "--help"}
    };
    for (String[] line : commands) {
      Answer answer = lockstep(line[0], Arrays.copyOfRange(line, 1, line.length));
      assertEquals(0, answer.code(), answer.text());
      assertTrue(answer.text().contains("Example"), answer.text());
    }
  }
}
