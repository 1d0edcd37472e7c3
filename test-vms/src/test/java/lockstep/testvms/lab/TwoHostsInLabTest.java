package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import lockstep.cli.demo.BankRecord;
import lockstep.cli.process.PairSide;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import lockstep.storage.FileDisk;
import lockstep.storage.SharedDisk;
import lockstep.testing.Tgtd;
import lockstep.testvms.ConsoleSession;
import lockstep.testvms.lab.LabNetwork.Cable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A pair on two whole hosts, each with a kernel of its own. What befalls them is what befalls
 * machines: no kernel is left to close a connection, so all that the other host gets to know is
 * silence.
 */
@Tag("lab")
final class TwoHostsInLabTest {
  private static final Pattern SILENT = Pattern.compile("primary lost [(]nothing heard for (\\d+)");
  private static final Pattern NO_ANSWER = Pattern.compile("no answer from the disk");
  private static final long DISK_BYTES = 4L << 20;
  private static final int BLOCK_BYTES = 4096;
  private static final int BEFORE = 50;
  private static final int AFTER = 50;

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");
  private Path identities = Path.of("");
  private Tgtd tgtd;

  @BeforeAll
  static void thereIsLab() throws Exception {
    Optional<String> complaint = HostLab.complaint(Path.of(""));
    assumeTrue(complaint.isEmpty(), () -> complaint.orElse(""));
  }

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.img");
    FileDisk.create(image, DISK_BYTES);
    tgtd = Tgtd.start(image);
    identities = directory.resolve("identities");
    try (ConsoleSession init = ConsoleSession.of("pair", "init", identities.toString())) {
      assertEquals(0, init.exitCode(), init.transcript());
    }
  }

  @AfterEach
  void stop() throws Exception {
    if (tgtd != null) {
      tgtd.close();
    }
  }

  @Test
  @Tag("proof")
  void hostWithoutPowerIsFollowedByTheOtherAndNothingIsLost() throws Exception {
    try (LabPair pair = pair()) {
      pair.awaitTransaction(BEFORE);
      assertTrue(holder().endsWith("primary of an undecided pair"), holder());
      long off = System.nanoTime();
      pair.one().side().kill();
      assertEquals(OptionalInt.empty(), pair.one().machine().exitCode(), "it had ended before");
      MatchResult silence = pair.awaitNote(pair.two(), SILENT);
      assertTrue(Long.parseLong(silence.group(1)) >= LabPair.TIMEOUT_MILLIS, silence.group());
      backupGoesOn(pair);
      report(pair, off);
    }
  }

  /** Both live, and each finds the other one silent: the disk alone can say who goes on. */
  @Test
  void pulledWireLeavesOneHostSpeakingAndTheDiskRefusesTheOther() throws Exception {
    try (LabPair pair = pair()) {
      pair.awaitTransaction(BEFORE);
      long off = System.nanoTime();
      pair.one().machine().plug(Cable.WIRE, false);
      PairSide primary = pair.one().side();
      PairSide backup = pair.two().side();
      if (pair.backupIsChosen()) {
        assertEquals(OptionalInt.of(1), pair.awaitEnd(pair.one()), pair::said);
        assertFenced(pair.one());
        backupGoesOn(pair);
        long late = primary.lastByteNanos() - backup.firstByteNanos();
        assertTrue(late < 0, () -> "both spoke, for " + late + " ns" + pair.said());
      } else {
        assertEquals(OptionalInt.of(1), pair.awaitEnd(pair.two()), pair::said);
        assertFenced(pair.two());
        primaryGoesOn(pair);
      }
      report(pair, off);
    }
  }

  /** Neither the other host nor the disk: nobody there may decide anything. */
  @Test
  void hostWithoutAnyCableWaitsAndFindsThatItHasLost() throws Exception {
    try (LabPair pair = pair()) {
      pair.awaitTransaction(BEFORE);
      long off = System.nanoTime();
      for (Cable cable : Cable.values()) {
        pair.two().machine().plug(cable, false);
      }
      pair.awaitNote(pair.one(), LabPair.ALONE);
      pair.awaitNote(pair.two(), NO_ANSWER);
      for (Cable cable : Cable.values()) {
        pair.two().machine().plug(cable, true);
      }
      assertEquals(OptionalInt.of(1), pair.awaitEnd(pair.two()), pair::said);
      assertFenced(pair.two());
      primaryGoesOn(pair);
      report(pair, off);
    }
  }

  /**
   * A host that was suspended does not know that time has passed, so that its lease is of no use:
   * what it shows when it wakes up is what the backup has too, and the disk takes nothing of it.
   */
  @Test
  void hostThatStoodWithItsClocksFindsItsDiskTaken() throws Exception {
    try (LabPair pair = pair()) {
      pair.awaitTransaction(BEFORE);
      long off = System.nanoTime();
      pair.one().machine().stand(true);
      pair.awaitNote(pair.two(), LabPair.GOES_ON);
      pair.one().machine().stand(false);
      assertEquals(OptionalInt.of(1), pair.awaitEnd(pair.one()), pair::said);
      assertFenced(pair.one());
      backupGoesOn(pair);
      report(pair, off);
    }
  }

  private LabPair pair() throws Exception {
    return new LabPair(HostLab.prepare(Path.of("")), LabPair.Shared.unitOf(tgtd), identities);
  }

  private void backupGoesOn(LabPair pair) throws Exception {
    MatchResult goesOn = pair.awaitNote(pair.two(), LabPair.GOES_ON);
    assertTrue(Integer.parseInt(goesOn.group(1)) > 0, "the two machines were never compared");
    byte[] before = pair.one().side().console();
    goOn(pair, pair.two(), "backup that won", before, Integer.parseInt(goesOn.group(2)));
  }

  private void primaryGoesOn(LabPair pair) throws Exception {
    assertEquals(0, pair.two().side().consoleBytes(), "the backup spoke");
    goOn(pair, pair.one(), "primary that won", new byte[0], 0);
  }

  /**
   * The survivor comes to later transactions and to its end, and the record of both is whole.
   *
   * @param before what the other one had shown
   * @param at which byte of the guest's console the survivor's first one is
   */
  private void goOn(LabPair pair, LabPair.Host host, String winner, byte[] before, int at)
      throws Exception {
    long last = new BankRecord(before, host.side().console(), at).last();
    String later = "bank: " + (last + AFTER) + "\r\n";
    assertTrue(host.side().awaitConsole(later, 0, LabPair.LIMIT_SECONDS), pair::said);
    assertTrue(holder().endsWith("epoch 1, " + winner), holder());
    host.side().type("q");
    assertEquals(OptionalInt.of(0), pair.awaitEnd(host), pair::said);
    BankRecord record = new BankRecord(before, host.side().console(), at);
    assertEquals(Optional.empty(), record.consoleComplaint(), pair::said);
    assertEquals(Optional.empty(), record.diskComplaint(image), pair::said);
    assertEquals("nobody", holder(), "the disk is not free again");
  }

  /** Who has the disk, as its target says. */
  private String holder() throws Exception {
    try (SharedDisk disk = LabPair.open(tgtd, "")) {
      return disk.arbiter().orElseThrow().holderLine().orElse("nobody");
    }
  }

  /** The target knows hosts by their initiators' names, and takes no write of the loser's. */
  private void assertFenced(LabPair.Host loser) throws Exception {
    try (SharedDisk disk = LabPair.open(tgtd, loser.name())) {
      CompletableFuture<BlockResult> result = new CompletableFuture<>();
      Bytes zeros = Bytes.copyOf(new byte[BLOCK_BYTES]);
      disk.medium()
          .submit(new BlockRequest.Write(1, 0, zeros, false), r -> result.complete(r.kept()));
      assertInstanceOf(
          BlockResult.Fenced.class, result.get(LabPair.LIMIT_SECONDS, TimeUnit.SECONDS));
    }
  }

  private static void report(LabPair pair, long since) {
    for (LabPair.Host host : List.of(pair.one(), pair.two())) {
      for (PairSide.Note note : host.side().notes()) {
        if (note.text().startsWith("lockstep ")) {
          double millis = (note.nanos() - since) / 1e6;
          System.out.printf("%s %+9.1f ms  %s%n", host.name(), millis, note.text());
        }
      }
      int bytes = host.side().consoleBytes();
      if (bytes > 0) {
        double first = (host.side().firstByteNanos() - since) / 1e6;
        double last = (host.side().lastByteNanos() - since) / 1e6;
        System.out.printf("%s spoke from %+.1f to %+.1f ms%n", host.name(), first, last);
      }
      System.out.printf("%s showed %d bytes%n", host.name(), bytes);
    }
  }
}
