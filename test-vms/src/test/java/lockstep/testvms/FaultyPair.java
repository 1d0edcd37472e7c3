package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.regex.Pattern;
import lockstep.cli.BankRecord;
import lockstep.cli.PairSide;
import lockstep.cli.control.ControlClient;
import lockstep.storage.FileDisk;
import lockstep.testvms.TwoHosts.Host;

/**
 * A pair of real processes on two hosts that share a disk, running the bank under load, and a fault
 * that befalls them. Then: one side alone speaks, and the outside record is that of one machine
 * that never died.
 */
final class FaultyPair implements AutoCloseable {
  /** What happens. */
  enum Fault {
    PRIMARY_KILLED,
    BACKUP_KILLED,
    PRIMARY_STOPPED_FOR_A_WHILE,
    BACKUP_STOPPED_FOR_A_WHILE,
    /** Shorter than the time-out: the primary's outputs wait, and nothing else happens. */
    BACKUP_STOPPED_BRIEFLY,
    CHANNEL_CUT,
    CHANNEL_CUT_BRIEFLY,
    CHANNEL_SLOW,
    /** The primary dies while the disk's test-and-set cannot be reached. */
    DISK_GONE_AND_PRIMARY_KILLED,
    /** Nobody reaches anybody. */
    DISK_GONE_AND_CHANNEL_CUT
  }

  private enum Survivor {
    PRIMARY,
    BACKUP,
    /** Nothing came of it. */
    PAIR
  }

  private static final Pattern LISTENING = Pattern.compile("listening on \\S+:(\\d+)");
  private static final Pattern GOES_ON = Pattern.compile("goes on at byte (\\d+)");
  private static final Pattern ALONE = Pattern.compile("goes on alone");
  private static final Pattern NO_ANSWER = Pattern.compile("no answer from the disk");
  private static final long DISK_BYTES = 4L << 20;
  private static final long LIMIT_SECONDS = 60;
  private static final int TIMEOUT_MILLIS = 2_000;

  /**
   * How much later the last byte of the one that lost may be read here than the first of the one
   * that won: two threads of this process read them, on a machine that is busy.
   */
  private static final long READ_LATE_NANOS = 400_000_000L;

  private final Path directory;
  private final Path shared;
  private final Path away;
  private final Path image;
  private final TwoHosts hosts;
  private final Random random;
  private final PairSide backup;
  private final PairSide primary;
  private final String primaryName;

  /** Starts a pair; the bank has opened when this returns. */
  FaultyPair(Path directory, TwoHosts hosts, Random random) throws Exception {
    this.directory = directory;
    this.hosts = hosts;
    this.random = random;
    String number = String.valueOf(System.nanoTime());
    shared = Files.createDirectory(directory.resolve("shared-" + number));
    away = directory.resolve("away-" + number);
    image = shared.resolve("disk.img");
    FileDisk.create(image, DISK_BYTES);
    primaryName = "fault-p-" + number;
    backup =
        side(Host.TWO, "backup", "fault-b-" + number, "--listen", hosts.address(Host.TWO) + ":0");
    try {
      String port = backup.awaitNote(LISTENING, LIMIT_SECONDS).orElseThrow(this::noBackup).group(1);
      primary =
          side(
              Host.ONE,
              "primary",
              primaryName,
              "--guest",
              "bank",
              "--backup",
              hosts.address(Host.TWO) + ":" + port,
              "--digest-interval",
              "100");
    } catch (Exception | AssertionError e) {
      backup.close();
      throw e;
    }
    assertTrue(primary.awaitConsole("bank: 1\r\n", 0, LIMIT_SECONDS), this::said);
  }

  private AssertionError noBackup() {
    return new AssertionError("the backup does not listen: " + backup.notes());
  }

  private PairSide side(Host host, String role, String name, String... more) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "lockstep.cli.Main"));
    command.addAll(List.of(role, "--name", name, "--insecure", "--disk", "file:" + image));
    command.addAll(List.of("--failure-timeout", String.valueOf(TIMEOUT_MILLIS)));
    command.addAll(List.of(more));
    return new PairSide(name, hosts.on(host, command), line -> {});
  }

  private String said() {
    StringBuilder text = new StringBuilder();
    for (PairSide side : new PairSide[] {primary, backup}) {
      side.notes()
          .forEach(note -> text.append("\n%.3f ".formatted(note.nanos() / 1e9) + note.text()));
    }
    return text.toString();
  }

  /** Has it happen, and sees to the end of it all. */
  void suffer(Fault fault) throws Exception {
    try {
      happen(fault);
      Survivor survivor = survivor(fault);
      switch (survivor) {
        case BACKUP -> backupGoesOn(fault);
        case PRIMARY, PAIR -> primaryGoesOn(survivor);
      }
    } catch (AssertionError e) {
      throw new AssertionError(fault + ": " + e.getMessage() + said(), e);
    }
  }

  private void happen(Fault fault) throws Exception {
    switch (fault) {
      case PRIMARY_KILLED -> primary.kill();
      case BACKUP_KILLED -> backup.kill();
      case PRIMARY_STOPPED_FOR_A_WHILE -> {
        primary.signal("STOP");
        backup.awaitNote(GOES_ON, LIMIT_SECONDS);
        primary.signal("CONT");
      }
      case BACKUP_STOPPED_FOR_A_WHILE -> {
        backup.signal("STOP");
        primary.awaitNote(ALONE, LIMIT_SECONDS);
        backup.signal("CONT");
      }
      case BACKUP_STOPPED_BRIEFLY -> {
        backup.signal("STOP");
        pause(TIMEOUT_MILLIS / 3);
        backup.signal("CONT");
      }
      case CHANNEL_CUT -> {
        hosts.cut();
        // Put back before or after they have found out.
        pause(TIMEOUT_MILLIS * 2);
        hosts.heal();
      }
      case CHANNEL_CUT_BRIEFLY -> {
        hosts.cut();
        pause(TIMEOUT_MILLIS / 3);
        hosts.heal();
      }
      case CHANNEL_SLOW -> {
        hosts.slow(random.nextBoolean() ? "100kbit" : "1mbit");
        pause(TIMEOUT_MILLIS * 3 / 2);
        hosts.fast();
      }
      case DISK_GONE_AND_PRIMARY_KILLED -> {
        Files.move(shared, away);
        primary.kill();
        silentUntilTheDiskIsBack();
      }
      case DISK_GONE_AND_CHANNEL_CUT -> {
        Files.move(shared, away);
        hosts.cut();
        assertTrue(primary.awaitNote(NO_ANSWER, LIMIT_SECONDS).isPresent(), "it did not ask");
        int before = primary.consoleBytes();
        silentUntilTheDiskIsBack();
        assertEquals(before, primary.consoleBytes(), "it spoke without knowing");
      }
    }
  }

  private void pause(int mostMillis) throws InterruptedException {
    Thread.sleep(random.nextInt(mostMillis));
  }

  private void silentUntilTheDiskIsBack() throws Exception {
    assertTrue(backup.awaitNote(NO_ANSWER, LIMIT_SECONDS).isPresent(), "it did not ask");
    pause(1_000);
    assertEquals(0, backup.consoleBytes(), "it went live without an answer");
    assertEquals(Optional.empty(), backup.awaitNote(GOES_ON, 0));
    Files.move(away, shared);
  }

  /** Waits until it is settled who goes on. */
  private Survivor survivor(Fault fault) throws Exception {
    boolean mayGoOnTogether =
        switch (fault) {
          case BACKUP_STOPPED_BRIEFLY, CHANNEL_CUT, CHANNEL_CUT_BRIEFLY, CHANNEL_SLOW -> true;
          default -> false;
        };
    long start = System.nanoTime();
    long settled = start + 2 * TIMEOUT_MILLIS * 1_000_000L;
    while (System.nanoTime() - start < LIMIT_SECONDS * 1_000_000_000L) {
      if (backup.awaitNote(GOES_ON, 0).isPresent()) {
        return Survivor.BACKUP;
      }
      if (primary.awaitNote(ALONE, 0).isPresent()) {
        return Survivor.PRIMARY;
      }
      if (mayGoOnTogether && System.nanoTime() > settled && isProtected()) {
        return Survivor.PAIR;
      }
      Thread.sleep(20);
    }
    throw new AssertionError("nobody goes on");
  }

  private boolean isProtected() {
    try (ControlClient client = ControlClient.connect(primaryName)) {
      return "PROTECTED".equals(client.ask(Map.of("command", "status")).get("state"));
    } catch (IOException e) {
      return false; // It has lost, just now.
    }
  }

  private void backupGoesOn(Fault fault) throws Exception {
    int goesOnAt =
        Integer.parseInt(backup.awaitNote(GOES_ON, LIMIT_SECONDS).orElseThrow().group(1));
    boolean killed = !primary.process().isAlive();
    if (!killed) {
      assertEquals(Optional.of(1), primary.await(LIMIT_SECONDS), "the loser's exit code");
    }
    BankRecord early = new BankRecord(primary.console(), backup.console(), goesOnAt);
    more(backup, early.lastBefore());
    end(backup);
    check(new BankRecord(primary.console(), backup.console(), goesOnAt));
    long late = primary.lastByteNanos() - backup.firstByteNanos();
    assertTrue(killed || late < READ_LATE_NANOS, () -> "both spoke, for " + late + " ns; " + fault);
  }

  private void primaryGoesOn(Survivor survivor) throws Exception {
    if (survivor == Survivor.PRIMARY && backup.process().isAlive()) {
      assertEquals(Optional.of(1), backup.await(LIMIT_SECONDS), "the loser's exit code");
    }
    assertEquals(0, backup.consoleBytes(), "the backup spoke");
    byte[] soFar = primary.console();
    more(primary, new BankRecord(soFar, new byte[0], soFar.length).last());
    end(primary);
    byte[] all = primary.console();
    check(new BankRecord(all, new byte[0], all.length));
    if (survivor == Survivor.PAIR) {
      assertEquals(Optional.of(0), backup.await(LIMIT_SECONDS), "it should have ended with it");
      assertEquals(0, backup.consoleBytes(), "it went live though the guest had ended");
    }
  }

  private static void more(PairSide side, long last) throws Exception {
    String later = "bank: " + (last + 5) + "\r\n";
    assertTrue(side.awaitConsole(later, 0, LIMIT_SECONDS), "it stands");
  }

  private static void end(PairSide side) throws Exception {
    side.type("q");
    assertEquals(Optional.of(0), side.await(LIMIT_SECONDS), "the survivor's exit code");
  }

  private void check(BankRecord record) throws Exception {
    assertEquals(Optional.empty(), record.consoleComplaint());
    assertEquals(Optional.empty(), record.diskComplaint(image));
  }

  @Override
  public void close() throws IOException {
    primary.close();
    backup.close();
    Path last = Files.exists(away) ? away : shared;
    try (var files = Files.list(last)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(last);
    try (var files = Files.list(directory)) {
      assertEquals(List.of(), files.toList(), "something was left behind");
    }
  }
}
