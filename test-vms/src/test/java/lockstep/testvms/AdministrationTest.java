package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import lockstep.cli.control.ControlClient;
import lockstep.cli.process.PairSide;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Running VMs, administered by name from outside: by their control sockets and over HTTP. */
@KvmRequired
class AdministrationTest {
  private static final Pattern LISTENING = Pattern.compile("listening on (\\S+)");
  private static final Pattern METRICS = Pattern.compile("metrics at (\\S+)");
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");

  private static PairSide lockstep(String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "lockstep.cli.Main"));
    command.addAll(List.of(arguments));
    return new PairSide(arguments[0], command, line -> {});
  }

  private static String unique(String what) {
    return "test-%s-%d".formatted(what, System.nanoTime());
  }

  private static Map<String, Object> ask(String name, String command) throws IOException {
    return ask(name, Map.of("command", command));
  }

  private static Map<String, Object> ask(String name, Map<String, ?> request) throws IOException {
    try (ControlClient client = ControlClient.connect(name)) {
      return client.ask(request);
    }
  }

  private static long number(Map<String, Object> status, String field) {
    return status.get(field) instanceof Number number ? number.longValue() : -1;
  }

  /** A terminal that is attached to a VM, and all that it has shown. */
  private static final class Attached implements AutoCloseable {
    private final ControlClient client;
    private final ByteArrayOutputStream shown = new ByteArrayOutputStream();

    Attached(String name) throws IOException {
      client = ControlClient.connect(name);
      client.ask(Map.of("command", "console"));
      Thread.ofVirtual().start(this::read);
    }

    private void read() {
      byte[] buffer = new byte[1 << 12];
      try {
        for (int n = client.in().read(buffer); n >= 0; n = client.in().read(buffer)) {
          synchronized (this) {
            shown.write(buffer, 0, n);
          }
        }
      } catch (IOException e) {
        // The VM has ended, or the test.
      }
    }

    void type(String text) throws IOException {
      client.out().write(text.getBytes(StandardCharsets.US_ASCII));
    }

    synchronized String shown() {
      return shown.toString(StandardCharsets.ISO_8859_1);
    }

    void await(String text) throws InterruptedException {
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
      while (!shown().contains(text)) {
        assertTrue(System.nanoTime() - until < 0, () -> "no '" + text + "' in: " + shown());
        Thread.sleep(5);
      }
    }

    @Override
    public void close() throws IOException {
      client.close();
    }
  }

  private void awaitStatus(String name, String field, Object value) throws Exception {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (!value.equals(ask(name, "status").get(field))) {
      assertTrue(System.nanoTime() - until < 0, () -> name + " did not get " + field + " " + value);
      Thread.sleep(20);
    }
  }

  @Test
  void unprotectedVmIsReachedByItsName() throws Exception {
    String name = unique("run");
    Path snapshot = directory.resolve("state.snap");
    try (PairSide run = lockstep("run", "--guest", "echo", "--name", name, "--metrics", "0")) {
      assertTrue(run.awaitConsole("> ", 0, LIMIT_SECONDS));
      Map<String, Object> status = ask(name, "status");
      assertEquals("local", status.get("role"));
      assertEquals("RUNNING", status.get("state"));
      assertEquals(run.process().pid(), number(status, "pid"));
      assertTrue(scrape(run).contains("lockstep_vm_info{name=\"" + name + "\",role=\"local\""));

      try (Attached one = new Attached(name);
          Attached two = new Attached(name)) {
        awaitStatus(name, "consoles", 2);
        one.type("from one\r");
        one.await("FROM ONE");
        two.await("FROM ONE");
        two.type("and two\r");
        one.await("AND TWO");
        assertTrue(run.awaitConsole("AND TWO", 0, LIMIT_SECONDS));

        // Held, it answers nothing; its state can be taken all the same, with what was typed.
        ask(name, "pause");
        awaitStatus(name, "paused", true);
        one.type("later\r");
        Thread.sleep(300);
        assertFalse(one.shown().contains("LATER"), one.shown());
        ask(name, Map.of("command", "snapshot", "file", snapshot.toString()));
        ask(name, "resume");
        two.await("LATER");
      }
      refused(name, Map.of("command", "failover"), "lockstep primary");
      refused(name, Map.of("command", "snapshot", "file", "relative"), "absolute");
      refused(name, Map.of("command", "snapshot", "file", directory.toString()), "directory");
      try (PairSide watch = lockstep("status", name, "--watch", "--json")) {
        assertTrue(watch.awaitConsole("}\n{", 0, LIMIT_SECONDS), "it says it once only");
        ask(name, "stop");
        assertEquals(Optional.of(0), run.await(LIMIT_SECONDS));
        assertEquals(Optional.of(0), watch.await(LIMIT_SECONDS), "its end is no failure");
        assertEquals(1, watch.notes().size(), watch.notes().toString());
      }
    }
    assertThrows(IOException.class, () -> ask(name, "status"));
    try (PairSide again = lockstep("run", "--from", snapshot.toString())) {
      assertTrue(
          again.awaitConsole("LATER", 0, LIMIT_SECONDS), "what was typed is in the snapshot");
      again.type("exit 7\r");
      assertEquals(Optional.of(7), again.await(LIMIT_SECONDS));
    }
  }

  @Test
  void protectedVmIsSavedWithoutItsBackupNoticing() throws Exception {
    String name = unique("vm");
    String other = unique("backup");
    Path snapshot = directory.resolve("state.snap");
    try (PairSide backup = backup(other);
        PairSide primary = primary(name, backup)) {
      assertTrue(primary.awaitConsole("> ", 0, LIMIT_SECONDS));
      try (Attached terminal = new Attached(name)) {
        for (int i = 0; i < 10; i++) {
          terminal.type("line " + i + "\r");
          ask(name, Map.of("command", "snapshot", "file", snapshot.toString()));
          terminal.await("LINE " + i);
        }
      }
      protectedVmTellsHowItStands(name, other);
      refused(other, Map.of("command", "snapshot", "file", snapshot.toString()), "FOLLOWING");
      String scraped = scrape(backup);
      assertTrue(scraped.contains("state=\"FOLLOWING\""), scraped);
      handsOver(name, other);
      ask(other, "stop");
      assertEquals(Optional.of(0), backup.await(LIMIT_SECONDS));
    }
    try (PairSide again = lockstep("run", "--from", snapshot.toString())) {
      again.type("back again\rexit 9\r");
      assertTrue(again.awaitConsole("BACK AGAIN", 0, LIMIT_SECONDS));
      assertEquals(Optional.of(9), again.await(LIMIT_SECONDS));
    }
  }

  /** With a backup that has another failure time-out: what the user reads says so. */
  @Test
  void protectThatFailsSaysWhy() throws Exception {
    String name = unique("vm");
    String arbiter = "file:" + directory.resolve("arbiter");
    try (PairSide backup = backup(unique("backup"));
        PairSide vm =
            lockstep("primary", "--guest", "echo", "--arbiter", arbiter, "--name", name)) {
      assertTrue(vm.awaitConsole("> ", 0, LIMIT_SECONDS));
      String at = backup.awaitNote(LISTENING, LIMIT_SECONDS).orElseThrow().group(1);
      try (ConsoleSession protect = ConsoleSession.of("protect", name, "--backup", at)) {
        assertEquals(1, protect.exitCode(), protect.transcript());
        String told = "the VM is not protected, it is ALONE: the backup refused: ";
        assertTrue(protect.transcript().contains(told), protect.transcript());
        assertTrue(protect.transcript().contains("failure time-out"), protect.transcript());
      }
      vm.type("exit 0\r");
      assertEquals(Optional.of(0), vm.await(LIMIT_SECONDS));
    }
  }

  private PairSide backup(String name) throws IOException {
    return lockstep(
        "backup",
        "--listen",
        "127.0.0.1:0",
        "--arbiter",
        "file:" + directory.resolve("arbiter"),
        "--name",
        name,
        "--failure-timeout",
        "10000",
        "--metrics",
        "0");
  }

  private PairSide primary(String name, PairSide backup) throws Exception {
    return lockstep(
        "primary",
        "--guest",
        "echo",
        "--arbiter",
        "file:" + directory.resolve("arbiter"),
        "--name",
        name,
        "--failure-timeout",
        "10000",
        "--digest-interval",
        "100",
        "--backup",
        backup.awaitNote(LISTENING, LIMIT_SECONDS).orElseThrow().group(1));
  }

  private void protectedVmTellsHowItStands(String name, String other) throws Exception {
    awaitStatus(name, "state", "PROTECTED");
    awaitStatus(other, "state", "FOLLOWING");
    Map<String, Object> status = ask(name, "status");
    for (String field :
        List.of(
            "epoch",
            "log_entries",
            "acknowledged_entries",
            "replayed_entries",
            "sent_bytes",
            "bandwidth_bytes_per_second",
            "lag_ms",
            "last_transfer_stood_us")) {
      assertTrue(status.get(field) instanceof Number, field + " in " + status);
    }
    assertFalse(String.valueOf(status.get("peer")).isEmpty(), status.toString());
    assertTrue(number(ask(other, "status"), "received_bytes") > 0);
  }

  private void handsOver(String name, String other) throws Exception {
    ask(name, "pause");
    refused(name, Map.of("command", "failover"), "paused");
    ask(name, "resume");
    refused(name, Map.of("command", "failover", "timeout", 0), "1 to 120 s, not 0");
    refused(name, Map.of("command", "failover", "timeout", "soon"), "1 to 120 s, not soon");
    ask(name, "failover");
    awaitStatus(other, "state", "ALONE");
    Map<String, Object> after = ask(other, "status");
    assertTrue(String.valueOf(after.get("last_failover")).startsWith("20"), after.toString());
    try (Attached terminal = new Attached(other)) {
      terminal.type("still here\r");
      terminal.await("STILL HERE");
    }
  }

  private static String scrape(PairSide side) throws Exception {
    String address = side.awaitNote(METRICS, LIMIT_SECONDS).orElseThrow().group(1);
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpRequest request = HttpRequest.newBuilder(URI.create(address)).build();
      return client.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }
  }

  private static void refused(String name, Map<String, ?> request, String because) {
    IOException refused = assertThrows(IOException.class, () -> ask(name, request));
    assertTrue(String.valueOf(refused.getMessage()).contains(because), refused.toString());
    assertEquals(1, String.valueOf(refused.getMessage()).lines().count());
  }

  @Test
  void nameThatIsTakenOrNoneIsOneLineAndNothingStarts() throws Exception {
    String name = unique("taken");
    try (PairSide first = lockstep("run", "--guest", "echo", "--name", name)) {
      assertTrue(first.awaitConsole("> ", 0, LIMIT_SECONDS));
      for (String bad : List.of(name, "no/name", "")) {
        try (PairSide second = lockstep("run", "--guest", "hello", "--name", bad)) {
          assertEquals(Optional.of(1), second.await(LIMIT_SECONDS));
          assertEquals(1, second.notes().size(), second.notes().toString());
          assertEquals(0, second.consoleBytes(), "the guest ran");
        }
      }
      // A process that was killed leaves its socket, and the name is free all the same.
      first.kill();
    }
    assertTrue(Files.exists(lockstep.cli.control.ControlDirectory.socket(name)));
    try (PairSide next = lockstep("run", "--guest", "hello", "--name", name)) {
      assertEquals(Optional.of(0), next.await(LIMIT_SECONDS), next.notes().toString());
    }
  }
}
