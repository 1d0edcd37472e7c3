package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.cli.process.PairSide;
import lockstep.storage.FileDisk;
import lockstep.testing.KvmRequired;
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
  void theBackupTakesBothOver() throws Exception {
    String[] disks = {"--disk", disk(first), "--disk", disk(second), "--failure-timeout", "2000"};
    String name = BankSides.unique("disks");
    try (PairSide backup = side(name + "-b", disks, "backup", "--listen", "127.0.0.1:0")) {
      String at = BankSides.address(backup);
      try (PairSide primary =
          side(name, disks, "primary", "--guest", LinuxCatalog.NAME, "--rng", "--backup", at)) {
        assertTrue(
            primary.awaitConsole(ConsoleSession.PROMPT, 0, BOOT_LIMIT_SECONDS),
            () -> BankSides.said(primary, backup));
        answer(primary, "fill /dev/vda " + FIRST_BLOCKS);
        answer(primary, "fill /dev/vdb " + SECOND_BLOCKS);
        answer(primary, "random");
        BankSides.awaitState(name, "PROTECTED", primary, backup);
        primary.kill();
        int unused = BankSides.goesOnAt(backup);
        backup.type("check /dev/vda " + FIRST_BLOCKS + "\n");
        assertTrue(
            backup.awaitConsole("check " + FIRST_BLOCKS + " blocks", 0, LIMIT_SECONDS),
            () -> BankSides.said(primary, backup));
        backup.type("check /dev/vdb " + SECOND_BLOCKS + "\nrandom\npoweroff\n");
        assertTrue(
            backup.awaitConsole("check " + SECOND_BLOCKS + " blocks", 0, LIMIT_SECONDS),
            () -> BankSides.said(primary, backup));
        assertEquals(Optional.of(0), backup.await(LIMIT_SECONDS), BankSides.said(backup));
      }
    }
    holds(first, FIRST_BLOCKS);
    holds(second, SECOND_BLOCKS);
  }

  private static void answer(PairSide side, String line) throws Exception {
    int before = side.consoleBytes();
    side.type(line + "\n");
    assertTrue(side.awaitConsole(ConsoleSession.PROMPT, before, LIMIT_SECONDS), line);
  }

  private static PairSide side(String name, String[] disks, String... command) throws Exception {
    List<String> all = new ArrayList<>(List.of(command));
    all.addAll(List.of("--name", name));
    all.addAll(List.of(disks));
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
