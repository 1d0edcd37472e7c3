package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import lockstep.cli.demo.BankRecord;
import lockstep.cli.process.PairSide;
import lockstep.storage.FileDisk;
import lockstep.storage.iscsi.IscsiAddress;
import lockstep.storage.iscsi.IscsiSession;
import lockstep.storage.iscsi.IscsiTimes;
import lockstep.storage.scsi.PersistentReserve;
import lockstep.storage.scsi.Reservations;
import lockstep.testing.KvmRequired;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real pairs of processes whose disk is on a real iSCSI target: its reservations decide. */
@KvmRequired
class IscsiPairTest {
  private static final Pattern LISTENING = Pattern.compile("listening on (\\S+)");
  private static final Pattern GOES_ON = Pattern.compile("goes on at byte (\\d+)");
  private static final long DISK_BYTES = 4L << 20;
  private static final long LIMIT_SECONDS = 60;
  private static final int COMMAND_MILLIS = 5_000;

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");
  private Tgtd tgtd;

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.img");
    FileDisk.create(image, DISK_BYTES);
    tgtd = Tgtd.start(image);
  }

  @AfterEach
  void stop() throws Exception {
    if (tgtd != null) {
      tgtd.close();
    }
  }

  private PairSide side(String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "lockstep.cli.Main"));
    command.addAll(List.of(arguments));
    // Two processes of one host: two names, as two hosts would have.
    String name = "?initiator=iqn.2026-11.dev.lockstep.test:" + arguments[0];
    command.addAll(List.of("--disk", "iscsi:" + tgtd.address(1, name)));
    command.addAll(
        List.of("--name", "test-iscsi-%s-%d".formatted(arguments[0], System.nanoTime())));
    command.addAll(List.of("--failure-timeout", "2000"));
    return new PairSide(arguments[0], command, line -> {});
  }

  private PairSide backup() throws IOException {
    return side("backup", "--listen", "127.0.0.1:0");
  }

  private PairSide primary(PairSide backup) throws Exception {
    MatchResult at =
        backup
            .awaitNote(LISTENING, LIMIT_SECONDS)
            .orElseThrow(() -> new AssertionError(said(backup)));
    return side("primary", "--guest", "bank", "--backup", at.group(1));
  }

  private static String said(PairSide... sides) {
    StringBuilder text = new StringBuilder();
    for (PairSide side : sides) {
      side.notes().forEach(note -> text.append('\n').append(note.text()));
    }
    return text.toString();
  }

  private static void signal(PairSide side, String signal) throws Exception {
    String pid = String.valueOf(side.process().pid());
    assertEquals(0, new ProcessBuilder("kill", "-" + signal, pid).start().waitFor());
  }

  private static void awaitTransaction(PairSide side, long number, PairSide other)
      throws Exception {
    assertTrue(
        side.awaitConsole("bank: " + number + "\r\n", 0, LIMIT_SECONDS), () -> said(side, other));
  }

  private static int goesOnAt(PairSide survivor, PairSide other) throws Exception {
    return Integer.parseInt(
        survivor
            .awaitNote(GOES_ON, LIMIT_SECONDS)
            .orElseThrow(() -> new AssertionError("no takeover" + said(other, survivor)))
            .group(1));
  }

  private void survivorLosesNothing(PairSide primary, PairSide backup) throws Exception {
    int from = goesOnAt(backup, primary);
    BankRecord early = new BankRecord(primary.console(), backup.console(), from);
    awaitTransaction(backup, early.lastBefore() + 5, primary);
    backup.type("q");
    assertEquals(Optional.of(0), backup.await(LIMIT_SECONDS), () -> said(backup));
    BankRecord record = new BankRecord(primary.console(), backup.console(), from);
    assertEquals(Optional.empty(), record.consoleComplaint());
    assertEquals(Optional.empty(), record.diskComplaint(image));
    assertEquals(List.of(), keys(), "the disk is not free again");
  }

  private List<Long> keys() throws IOException {
    try (IscsiSession session = third()) {
      return new Reservations(session, PersistentReserve.Type.WRITE_EXCLUSIVE, COMMAND_MILLIS)
          .keys()
          .keys();
    }
  }

  private IscsiSession third() throws IOException {
    return IscsiSession.open(
        IscsiAddress.parse(tgtd.address(1, "?initiator=iqn.2026-11.dev.lockstep.test:third")),
        IscsiTimes.USUAL);
  }

  @Test
  void primaryThatWasStoppedFindsItsDiskTakenAndHalts() throws Exception {
    try (PairSide backup = backup();
        PairSide primary = primary(backup)) {
      awaitTransaction(primary, 3, backup);
      signal(primary, "STOP");
      goesOnAt(backup, primary);
      int before = primary.consoleBytes();
      signal(primary, "CONT");
      assertEquals(Optional.of(1), primary.await(LIMIT_SECONDS), () -> said(primary, backup));
      assertEquals(before, primary.consoleBytes(), "it spoke after it had lost");
      survivorLosesNothing(primary, backup);
    }
  }

  @Test
  void backupTakesOverFromKilledPrimary() throws Exception {
    try (PairSide backup = backup();
        PairSide primary = primary(backup)) {
      awaitTransaction(primary, 3, backup);
      primary.kill();
      survivorLosesNothing(primary, backup);
    }
  }

  /** The pair is in order and hears of nothing: only the disk can say it. */
  @Test
  void guestHaltsAtTheFirstReservationConflict() throws Exception {
    try (PairSide backup = backup();
        PairSide primary = primary(backup)) {
      awaitTransaction(primary, 3, backup);
      byte[] medium;
      try (IscsiSession session = third()) {
        Reservations reservations =
            new Reservations(session, PersistentReserve.Type.WRITE_EXCLUSIVE, COMMAND_MILLIS);
        long held = reservations.reservation().orElseThrow().key();
        long key = 77;
        assertTrue(
            reservations.change(
                PersistentReserve.Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, key, false));
        assertTrue(reservations.change(PersistentReserve.Out.PREEMPT, key, held, false));
        session.resetUnit(COMMAND_MILLIS);
        medium = java.nio.file.Files.readAllBytes(image);
      }
      assertEquals(Optional.of(1), primary.await(LIMIT_SECONDS), () -> said(primary, backup));
      assertTrue(
          said(primary).contains("is reserved for another host"), () -> said(primary, backup));
      assertEquals(Optional.of(1), backup.await(LIMIT_SECONDS), () -> said(primary, backup));
      assertEquals(0, backup.consoleBytes(), "it spoke and had no disk");
      assertEquals(
          -1,
          java.util.Arrays.mismatch(medium, java.nio.file.Files.readAllBytes(image)),
          "somebody wrote after the loss");
    }
  }

  /** Such a target forgets who has it: the living primary is to have it again, and nobody else. */
  @Test
  void restartOfTargetIsNoFailoverAndTakesNothingFromTheNextOne() throws Exception {
    try (PairSide backup = backup();
        PairSide primary = primary(backup)) {
      awaitTransaction(primary, 3, backup);
      tgtd.kill();
      Thread.sleep(500);
      tgtd.restart();
      long last = new BankRecord(primary.console(), new byte[0], primary.consoleBytes()).last();
      awaitTransaction(primary, last + 3, backup);
      assertEquals(0, backup.consoleBytes());
      primary.kill();
      survivorLosesNothing(primary, backup);
    }
  }

  /** Nobody but a person can know that the primary is dead for good; until then nobody goes on. */
  @Test
  void forgottenReservationGivesNoVerdictUntilItIsReopened() throws Exception {
    try (PairSide backup = backup();
        PairSide primary = primary(backup)) {
      awaitTransaction(primary, 3, backup);
      assertTrue(said(backup).contains("no APTPL"), () -> said(backup));
      String vm;
      try (IscsiSession session = third()) {
        vm = held(session);
      }
      tgtd.kill();
      primary.kill();
      assertTrue(
          backup.awaitNote(Pattern.compile("claiming the disk"), LIMIT_SECONDS).isPresent(),
          () -> said(backup));
      tgtd.restart();
      assertTrue(
          backup
              .awaitNote(Pattern.compile("has forgotten it.*asking again"), LIMIT_SECONDS)
              .isPresent(),
          () -> said(backup));
      Thread.sleep(1_000);
      assertEquals(0, backup.consoleBytes(), "it went on without a verdict");
      try (ConsoleSession reopen =
          ConsoleSession.of(
              "disk",
              "arbitrate",
              "iscsi:" + tgtd.address(1, ""),
              "--vm",
              vm + "0".repeat(32 - vm.length()),
              "--epoch",
              "1",
              "--side",
              "backup",
              "--reopen")) {
        assertEquals(0, reopen.exitCode(), reopen.transcript());
      }
      survivorLosesNothing(primary, backup);
    }
  }

  /** The part of the VM's identity that is in its key. */
  private static String held(IscsiSession session) throws IOException {
    long key =
        new Reservations(session, PersistentReserve.Type.WRITE_EXCLUSIVE, COMMAND_MILLIS)
            .reservation()
            .orElseThrow()
            .key();
    return "%06x".formatted(key >>> 32 & 0xffffff);
  }
}
