package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import lockstep.cli.process.PairSide;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogReader;
import lockstep.replay.log.LogStatistics;
import lockstep.replay.log.LogWriter;
import lockstep.storage.FileDisk;
import lockstep.testing.KvmRequired;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Linux with two disks and an entropy device, from the command line: recorded, replayed, saved, and
 * in a pair.
 */
@KvmRequired
class SeveralDisksTest {
  /** Only ends what hangs: on a busy host a boot takes minutes. */
  private static final long BOOT_LIMIT_SECONDS = 600;

  private static final long LIMIT_SECONDS = 300;
  private static final int FIRST_BLOCKS = 20;
  private static final int SECOND_BLOCKS = 40;

  /** More than the bank has blocks, so that some are written twice. */
  private static final int TRANSACTIONS = 300;

  private static final int BANK_BLOCKS = 256;
  private static final int BANK_BLOCK_BYTES = 4096;
  private static final Pattern TRANSACTION = Pattern.compile("bank: (\\d+)");
  private static final Pattern RANDOM = Pattern.compile("\\b[0-9a-f]{32}\\b");

  @TempDir private Path directory = Path.of("");
  private Path first = Path.of("");
  private Path second = Path.of("");

  @BeforeAll
  static void theGuestIsBuilt() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
  }

  @BeforeEach
  void makeImages() throws Exception {
    first = directory.resolve("first.img");
    second = directory.resolve("second.img");
    FileDisk.create(first, 1 << 20);
    FileDisk.create(second, 2 << 20);
  }

  private String disk(Path image) {
    return "file:" + image;
  }

  private static String random(String transcript) {
    Matcher found = RANDOM.matcher(transcript);
    assertTrue(found.find(), transcript);
    return found.group();
  }

  private static void holds(Path image, int blocks) throws Exception {
    byte[] expected = LinuxDiskTest.numbered(blocks);
    byte[] start = Arrays.copyOf(Files.readAllBytes(image), expected.length);
    assertEquals(-1, Arrays.mismatch(expected, start), image + " differs at this byte");
  }

  @Test
  void bothAreRecordedAndReplayedWithoutThem() throws Exception {
    Path log = directory.resolve("log");
    String drawn;
    try (ConsoleSession session =
        ConsoleSession.of(
            "record",
            log.toString(),
            "--guest",
            LinuxCatalog.NAME,
            "--disk",
            disk(first),
            "--disk",
            disk(second),
            "--rng")) {
      session.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
      session.answerTo("fill /dev/vda " + FIRST_BLOCKS);
      session.answerTo("fill /dev/vdb " + SECOND_BLOCKS);
      String checked = session.answerTo("check /dev/vdb " + SECOND_BLOCKS);
      assertTrue(checked.contains("check " + SECOND_BLOCKS + " blocks"), checked);
      drawn = random(session.answerTo("random"));
      assertFalse(drawn.equals(random(session.answerTo("random"))), drawn);
      session.type("poweroff");
      assertEquals(0, session.exitCode(), session.transcript());
    }
    holds(first, FIRST_BLOCKS);
    holds(second, SECOND_BLOCKS);
    Files.delete(first);
    Files.delete(second);
    try (ConsoleSession replay = ConsoleSession.of("replay", log.toString())) {
      assertEquals(0, replay.exitCode(), replay.transcript());
      assertEquals(drawn, random(replay.transcript()), "the replay drew other bytes");
    }
    Path other = directory.resolve("other bytes");
    change(log, other, entropy -> List.of(new LogEntry.Entropy(flipped(entropy.content()))));
    diverges(other, "divergence (");
    Path fewer = directory.resolve("none of the last");
    change(log, fewer, entropy -> List.of());
    diverges(fewer, "divergence (random bytes)");
  }

  private static Bytes flipped(Bytes content) {
    byte[] bytes = content.toArray();
    bytes[0] ^= 1;
    return Bytes.copyOf(bytes);
  }

  private static void diverges(Path log, String headline) throws Exception {
    try (ConsoleSession replay = ConsoleSession.of("replay", log.toString())) {
      assertEquals(1, replay.exitCode(), replay.transcript());
      assertTrue(replay.transcript().contains(headline), replay.transcript());
    }
  }

  /** The same log with other random bytes in the place of the last that were drawn. */
  private static void change(
      Path log, Path changed, Function<LogEntry.Entropy, List<LogEntry>> instead) throws Exception {
    long drawn;
    try (LogReader reader = LogReader.open(log)) {
      drawn =
          Objects.requireNonNull(LogStatistics.of(reader).kinds().get(LogEntry.Kind.ENTROPY))
              .entries();
    }
    try (LogReader reader = LogReader.open(log);
        LogWriter writer = LogWriter.create(changed, reader.header())) {
      try (OutputStream state = writer.stateStream()) {
        reader.stateStream().transferTo(state);
      }
      for (long number = 0; reader.peekKind() != null; ) {
        LogEntry entry = reader.take();
        boolean last = entry instanceof LogEntry.Entropy && ++number == drawn;
        List<LogEntry> all = last ? instead.apply((LogEntry.Entropy) entry) : List.of(entry);
        all.forEach(writer::append);
      }
      writer.flush();
    }
  }

  @Test
  void aSnapshotWantsBothInTheirOrder() throws Exception {
    Path snapshot = directory.resolve("state.snap");
    try (ConsoleSession session =
        new ConsoleSession(
            "--guest",
            LinuxCatalog.NAME,
            "--disk",
            disk(first),
            "--disk",
            disk(second),
            "--snapshot",
            snapshot.toString())) {
      session.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
      session.answerTo("fill /dev/vdb " + SECOND_BLOCKS);
      session.terminate();
      session.exitCode();
    }
    refused(snapshot, "the saved machine has 2 disks, and 1 disk is given", disk(first));
    refused(snapshot, "the saved machine's disk 0 has 1048576 bytes", disk(second), disk(first));
    try (ConsoleSession session =
        new ConsoleSession(
            "--from", snapshot.toString(), "--disk", disk(first), "--disk", disk(second))) {
      String checked = session.answerTo("check /dev/vdb " + SECOND_BLOCKS);
      assertTrue(checked.contains("check " + SECOND_BLOCKS + " blocks"), checked);
      session.type("poweroff");
      assertEquals(0, session.exitCode(), session.transcript());
    }
  }

  private void refused(Path snapshot, String why, String... disks) throws Exception {
    List<String> arguments = new ArrayList<>(List.of("--from", snapshot.toString()));
    for (String disk : disks) {
      arguments.addAll(List.of("--disk", disk));
    }
    try (ConsoleSession session = new ConsoleSession(arguments.toArray(String[]::new))) {
      assertEquals(1, session.exitCode(), session.transcript());
      assertTrue(session.transcript().contains(why), session.transcript());
    }
  }

  @Test
  void theBackupFinishesWhatWasUnderWayOnTheSecondImage() throws Exception {
    takenOverWhileTheSecondIsWritten(role -> List.of(disk(first), disk(second)), "is in use by");
  }

  /** The first unit decides; the second has a reservation all the same, which follows. */
  @Test
  void theBackupFinishesWhatWasUnderWayOnTheSecondUnit() throws Exception {
    try (Tgtd tgtd = Tgtd.start(first)) {
      tgtd.unit(2, second);
      takenOverWhileTheSecondIsWritten(
          role -> {
            String as = "?initiator=iqn.2026-11.dev.lockstep.test:" + role;
            return List.of("iscsi:" + tgtd.address(1, as), "iscsi:" + tgtd.address(2, as));
          },
          "disk info shows who has it");
    }
  }

  /** Blocks are written again and again: a late, lost or repeated write of a loser would show. */
  private void takenOverWhileTheSecondIsWritten(
      Function<String, List<String>> disks, String refusal) throws Exception {
    String name = BankSides.unique("disks");
    try (PairSide backup = side(name + "-b", disks, "backup", "--listen", "127.0.0.1:0")) {
      String at = BankSides.address(backup);
      try (PairSide primary =
          side(name, disks, "primary", "--guest", LinuxCatalog.NAME, "--rng", "--backup", at)) {
        assertTrue(
            primary.awaitConsole(ConsoleSession.PROMPT, 0, BOOT_LIMIT_SECONDS),
            () -> BankSides.said(primary, backup));
        answer(primary, "fill /dev/vda " + FIRST_BLOCKS);
        answer(primary, "random");
        BankSides.awaitState(name, "PROTECTED", primary, backup);
        primary.type("bank /dev/vdb " + TRANSACTIONS + "\n");
        assertTrue(primary.awaitConsole("bank: 30\r\n", 0, LIMIT_SECONDS));
        try (ConsoleSession thief =
            new ConsoleSession("--guest", "disk", "--disk", disks.apply("third").getLast())) {
          assertEquals(1, thief.exitCode(), thief.transcript());
          assertTrue(thief.transcript().contains(refusal), thief.transcript());
        }
        primary.kill();
        int goesOnAt = BankSides.goesOnAt(backup);
        assertTrue(
            backup.awaitConsole("bank: closed", 0, LIMIT_SECONDS),
            () -> BankSides.said(primary, backup));
        backup.type("check /dev/vda " + FIRST_BLOCKS + "\nrandom\npoweroff\n");
        assertTrue(
            backup.awaitConsole("check " + FIRST_BLOCKS + " blocks", 0, LIMIT_SECONDS),
            () -> BankSides.said(primary, backup));
        assertEquals(Optional.of(0), backup.await(LIMIT_SECONDS), BankSides.said(backup));
        seesEveryTransaction(primary.console(), backup.console(), goesOnAt);
      }
    }
    holds(first, FIRST_BLOCKS);
    holdsTheNewest(second);
  }

  /** What left from the primary up to where the backup continues, and then the backup's. */
  private static void seesEveryTransaction(byte[] before, byte[] after, int goesOnAt) {
    ByteArrayOutputStream seen = new ByteArrayOutputStream();
    seen.write(before, 0, Math.min(before.length, goesOnAt));
    seen.writeBytes(after);
    List<Long> numbers =
        TRANSACTION
            .matcher(seen.toString(ISO_8859_1))
            .results()
            .map(found -> Long.parseLong(found.group(1)))
            .toList();
    assertEquals(LongStream.rangeClosed(1, TRANSACTIONS).boxed().toList(), numbers);
  }

  /** Transaction n writes block n modulo 256, see init.c. */
  private static void holdsTheNewest(Path image) throws Exception {
    ByteBuffer content = ByteBuffer.wrap(Files.readAllBytes(image)).order(ByteOrder.LITTLE_ENDIAN);
    for (long n = TRANSACTIONS - BANK_BLOCKS + 1; n <= TRANSACTIONS; n++) {
      int at = (int) (n % BANK_BLOCKS) * BANK_BLOCK_BYTES;
      assertEquals(n << Integer.SIZE, content.getLong(at), "transaction " + n);
      assertEquals(n << Integer.SIZE | 511, content.getLong(at + 511 * Long.BYTES), "and its end");
    }
  }

  private static void answer(PairSide side, String line) throws Exception {
    int before = side.consoleBytes();
    side.type(line + "\n");
    assertTrue(side.awaitConsole(ConsoleSession.PROMPT, before, LIMIT_SECONDS), line);
  }

  private static PairSide side(String name, Function<String, List<String>> disks, String... command)
      throws Exception {
    List<String> all = new ArrayList<>(List.of(command));
    all.addAll(List.of("--name", name, "--failure-timeout", "2000"));
    disks.apply(command[0]).forEach(disk -> all.addAll(List.of("--disk", disk)));
    return new PairSide(name, BankSides.command(all.toArray(String[]::new)), line -> {});
  }

  @Test
  void tooManyOrOneTwiceAreRefusedInOneLine() throws Exception {
    try (ConsoleSession twice =
        new ConsoleSession("--guest", "disk", "--disk", disk(first), "--disk", disk(first))) {
      assertEquals(2, twice.exitCode(), twice.transcript());
      assertTrue(twice.transcript().contains("is given twice"), twice.transcript());
    }
    List<String> nine = new ArrayList<>(List.of("--guest", "disk"));
    for (int i = 0; i < 9; i++) {
      nine.addAll(List.of("--disk", disk(directory.resolve(i + ".img"))));
    }
    try (ConsoleSession many = new ConsoleSession(nine.toArray(String[]::new))) {
      assertEquals(2, many.exitCode(), many.transcript());
      assertTrue(many.transcript().contains("9 disks; a machine has 8 at most"));
    }
  }
}
