package lockstep.storage;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who gets a disk that is a file. */
class FileLeaseTest {
  private static final String VM = LeaseClaimer.VM;
  private static final String OTHER_VM = "ffeeddccbbaa99887766554433221100";
  private static final int RACES = 200;
  private static final int MANY_RACES = 1_000;

  @TempDir private Path directory = Path.of("");

  private static Claimant side(Side side) {
    return new Claimant(VM, 1, side);
  }

  private List<String> names() throws IOException {
    try (var files = Files.list(directory)) {
      return files.map(file -> String.valueOf(file.getFileName())).sorted().toList();
    }
  }

  private Path image() {
    return directory.resolve("disk.img");
  }

  @Test
  void firstToClaimWinsForEverAndTheOtherLosesForEver() throws Exception {
    try (Arbiter primary = new FileLease(image());
        Arbiter backup = new FileLease(image())) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      for (int i = 0; i < 3; i++) {
        assertEquals(Verdict.WON, backup.claim(side(Side.BACKUP)).verdict());
        assertEquals(Verdict.LOST, primary.claim(side(Side.PRIMARY)).verdict());
      }
    }
    try (Arbiter again = new FileLease(image())) {
      assertEquals(Verdict.WON, again.claim(side(Side.BACKUP)).verdict(), "after a restart");
    }
  }

  @Test
  void backupThatWasLetGoDoesNotKeepTheDiskAndDoesNotFreeIt() throws Exception {
    Files.createFile(image());
    try (Arbiter primary = new FileLease(image());
        Arbiter backup = new FileLease(image())) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      backup.part(side(Side.BACKUP));
      assertEquals(Verdict.WON, primary.claim(side(Side.PRIMARY)).verdict());
      primary.leave(side(Side.PRIMARY));
      assertEquals(
          List.of("disk.img", "disk.img.lease", "disk.img.lease.1." + VM + ".1.over"), names());
    }
  }

  /** Each removes the lock that the others wait for. */
  @Test
  void ofManyWhoComeAndGoOneHasTheDiskAtATime() throws Exception {
    AtomicInteger inside = new AtomicInteger();
    AtomicInteger turns = new AtomicInteger();
    List<Callable<Integer>> all = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      Claimant self = new Claimant("%032x".formatted(i + 1), 1, Side.PRIMARY);
      all.add(
          () -> {
            int most = 0;
            for (int turn = 0; turn < 50; turn++) {
              try (Arbiter lease = new FileLease(image())) {
                lease.enter(self);
                most = Math.max(most, inside.incrementAndGet());
                turns.incrementAndGet();
                inside.decrementAndGet();
                lease.leave(self);
              } catch (IOException e) {
                // In use by another one.
              }
            }
            return most;
          });
    }
    try (ExecutorService threads = Executors.newFixedThreadPool(all.size())) {
      for (Future<Integer> most : threads.invokeAll(all)) {
        assertTrue(most.get() <= 1, "two had the disk");
      }
    }
    assertTrue(turns.get() >= 4, "hardly anybody had it: " + turns);
  }

  /** An image may be called like a pattern, or like another one's lease. */
  @Test
  void endOfOneVmLeavesTheLeasesAndImagesOfAllOthers() throws Exception {
    Path other = directory.resolve("d1.img");
    List<Path> images = List.of(other, directory.resolve("d[1].img"), directory.resolve("d*"));
    for (Path image : images) {
      Files.createFile(image);
    }
    Files.createFile(directory.resolve("d[1].img.lease.img"));
    try (Arbiter primary = new FileLease(other);
        Arbiter backup = new FileLease(other)) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      for (Path image : images.subList(1, 3)) {
        try (Arbiter alone = new FileLease(image)) {
          Claimant owner = new Claimant(OTHER_VM, 1, Side.PRIMARY);
          alone.enter(owner);
          alone.claim(owner);
          alone.leave(owner);
        }
      }
      assertEquals(Verdict.WON, backup.claim(side(Side.BACKUP)).verdict());
      backup.leave(side(Side.BACKUP));
      primary.leave(side(Side.PRIMARY));
    }
    String over = ".lease.1." + OTHER_VM + ".1.over";
    assertEquals(
        List.of(
            "d*",
            "d*.lease",
            "d*" + over,
            "d1.img",
            "d1.img.lease",
            "d1.img.lease.1." + VM + ".1.over",
            "d[1].img",
            "d[1].img.lease",
            "d[1].img" + over,
            "d[1].img.lease.img"),
        names());
  }

  @Test
  void missingLeaseGivesNoVerdictToEitherSide() throws Exception {
    Files.createFile(image());
    try (Arbiter primary = new FileLease(image());
        Arbiter backup = new FileLease(image())) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      removeLease();
      assertNoLease(primary.claim(side(Side.PRIMARY)));
      assertNoLease(backup.claim(side(Side.BACKUP)));
    }
  }

  private static void assertNoLease(Arbiter.Ruling ruling) {
    assertEquals(Verdict.UNKNOWN, ruling.verdict(), ruling.reason());
    assertTrue(
        ruling.reason().contains("has no lease next to it; is its directory mounted?"),
        ruling.reason());
  }

  private void removeLease() throws IOException {
    for (String name : names()) {
      if (name.startsWith("disk.img.lease")) {
        Files.deleteIfExists(directory.resolve(name));
      }
    }
  }

  /** As a user may do who takes it for a left-over. */
  @Test
  void pairWhoseLeaseFileWasRemovedIsDecidedAllTheSame() throws Exception {
    try (Arbiter primary = new FileLease(image());
        Arbiter backup = new FileLease(image())) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      Files.delete(directory.resolve("disk.img.lease"));
      assertEquals(Verdict.WON, backup.claim(side(Side.BACKUP)).verdict());
      assertEquals(Verdict.LOST, primary.claim(side(Side.PRIMARY)).verdict());
    }
  }

  @Test
  void emptyMountPointGivesNoVerdict() throws Exception {
    Path share = Files.createDirectory(directory.resolve("share"));
    Path away = directory.resolve("away");
    Path on = share.resolve("disk.img");
    Files.createFile(on);
    try (Arbiter primary = new FileLease(on);
        Arbiter backup = new FileLease(on)) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      Files.move(share, away);
      assertEquals(Verdict.UNKNOWN, primary.claim(side(Side.PRIMARY)).verdict(), "no directory");
      Files.createDirectory(share);
      assertNoLease(primary.claim(side(Side.PRIMARY)));
      assertNoLease(backup.claim(side(Side.BACKUP)));
      try (var files = Files.list(share)) {
        assertEquals(List.of(), files.toList(), "something was made in the mount point");
      }
      Files.delete(share);
      Files.move(away, share);
      assertEquals(Verdict.WON, backup.claim(side(Side.BACKUP)).verdict(), "mounted again");
      assertEquals(Verdict.LOST, primary.claim(side(Side.PRIMARY)).verdict());
    }
  }

  @Test
  void endOfAVmIsWrittenDownAndALateClaimLearnsOfIt() throws Exception {
    try (Arbiter primary = new FileLease(image());
        Arbiter backup = new FileLease(image())) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      primary.leave(side(Side.PRIMARY));
      Arbiter.Ruling ruling = backup.claim(side(Side.BACKUP));
      assertEquals(Verdict.LOST, ruling.verdict());
      assertTrue(ruling.reason().endsWith("the VM has ended"), ruling.reason());
    }
  }

  @Test
  void loserThatLeavesTakesNothingFromTheWinner() throws Exception {
    try (Arbiter primary = new FileLease(image());
        Arbiter backup = new FileLease(image())) {
      primary.enter(side(Side.PRIMARY));
      backup.enter(side(Side.BACKUP));
      assertEquals(Verdict.WON, backup.claim(side(Side.BACKUP)).verdict());
      primary.leave(side(Side.PRIMARY));
      assertEquals(Verdict.WON, backup.claim(side(Side.BACKUP)).verdict());
    }
  }

  @Test
  void plantedLinkIsRefusedAndNotFollowed() throws Exception {
    Path victim = directory.resolve("victim");
    for (String name :
        List.of(
            ".lease",
            ".lease.alive",
            ".lease.beat." + VM + ".primary",
            ".lease.1." + VM + ".1.open",
            ".lease.1." + VM + ".1.over")) {
      Files.writeString(victim, "mine");
      Files.createSymbolicLink(directory.resolve("disk.img" + name), victim);
      try (Arbiter primary = new FileLease(image())) {
        IOException refused =
            assertThrows(IOException.class, () -> primary.enter(side(Side.PRIMARY)), name);
        assertFalse(String.valueOf(refused.getMessage()).contains("\n"), refused.toString());
        if (name.equals(".lease.alive")) {
          assertEquals(
              directory.toRealPath().resolve("disk.img" + name)
                  + ": a symbolic link where a lease's file should be; remove it",
              refused.getMessage());
        }
      }
      assertEquals("mine", Files.readString(victim), name);
      removeLease();
    }
  }

  @Test
  void leaseOfAnotherVersionIsNamedAndLeftAlone() throws Exception {
    Path old = directory.resolve("disk.img.lease");
    Files.writeString(old, VM + " 1\n");
    try (FileLease lease = new FileLease(image())) {
      IOException refused = assertThrows(IOException.class, () -> lease.enter(side(Side.PRIMARY)));
      assertTrue(
          String.valueOf(refused.getMessage()).contains("of another version of Lockstep"),
          refused.toString());
      assertEquals(Verdict.UNKNOWN, lease.claim(side(Side.PRIMARY)).verdict());
    }
    assertEquals(VM + " 1\n", Files.readString(old));
  }

  /** One image has one lease, by whatever name it is opened. */
  @Test
  void linkToAnImageHasTheImagesLease() throws Exception {
    Files.createFile(image());
    Path other = Files.createDirectory(directory.resolve("other")).resolve("link.img");
    Files.createSymbolicLink(other, image());
    try (Arbiter primary = new FileLease(image());
        Arbiter stranger = new FileLease(other)) {
      primary.enter(side(Side.PRIMARY));
      assertThrows(
          IOException.class, () -> stranger.enter(new Claimant(OTHER_VM, 1, Side.PRIMARY)));
    }
  }

  @Test
  void laterPairIsWonAnewAndTheEarlierIsLost() throws Exception {
    try (Arbiter first = new FileLease(image());
        Arbiter survivor = new FileLease(image())) {
      first.enter(side(Side.PRIMARY));
      survivor.enter(side(Side.BACKUP));
      Claimant second = new Claimant(VM, 2, Side.PRIMARY);
      assertThrows(IOException.class, () -> survivor.enter(second), "it has not won");
      assertEquals(Verdict.WON, survivor.claim(side(Side.BACKUP)).verdict());
      survivor.enter(second);
      assertEquals(Verdict.LOST, first.claim(side(Side.PRIMARY)).verdict());
      assertEquals(Verdict.LOST, survivor.claim(side(Side.BACKUP)).verdict());
      assertEquals(Verdict.WON, survivor.claim(second).verdict());
      assertThrows(IOException.class, () -> survivor.enter(side(Side.PRIMARY)), "an old epoch");
      assertThrows(
          IOException.class, () -> first.enter(new Claimant(VM, 3, Side.PRIMARY)), "the loser");
    }
  }

  @Test
  void diskOfLivingVmIsRefusedAtOnceAndThatOfDeadOneTaken() throws Exception {
    Claimant stranger = new Claimant(OTHER_VM, 1, Side.PRIMARY);
    try (Arbiter other = new FileLease(image())) {
      try (Arbiter first = new FileLease(image())) {
        first.enter(side(Side.PRIMARY));
        IOException refused = assertThrows(IOException.class, () -> other.enter(stranger));
        assertTrue(
            String.valueOf(refused.getMessage())
                .contains("is in use by another VM, " + VM + " (pid "),
            refused.toString());
        assertThrows(IOException.class, () -> other.enter(new Claimant(OTHER_VM, 1, Side.BACKUP)));
      }
      other.enter(stranger);
      assertEquals(Verdict.LOST, other.claim(side(Side.BACKUP)).verdict());
      other.leave(stranger);
    }
    assertEquals(List.of("disk.img.lease", "disk.img.lease.2." + OTHER_VM + ".1.over"), names());
  }

  @Test
  void storageThatIsGoneGivesNoVerdict() throws Exception {
    try (Arbiter lost = new FileLease(directory.resolve("gone").resolve("disk.img"))) {
      assertEquals(Verdict.UNKNOWN, lost.claim(side(Side.BACKUP)).verdict());
      assertFalse(lost.fences());
    }
  }

  @Test
  void oneOfTwoProcessesWinsEachRace() throws Exception {
    race(RACES);
  }

  @Test
  @Tag("long")
  void oneOfTwoProcessesWinsEachOfManyRaces() throws Exception {
    race(MANY_RACES);
  }

  private void race(int disks) throws Exception {
    for (int disk = 0; disk < disks; disk++) {
      try (Arbiter arbiter = new FileLease(directory.resolve(disk + ".img"))) {
        arbiter.enter(side(Side.PRIMARY));
      }
    }
    Path start = directory.resolve("start");
    Process one = claimer(Side.PRIMARY, disks, start);
    Process two = claimer(Side.BACKUP, disks, start);
    try (BufferedReader first = one.inputReader(UTF_8);
        BufferedReader second = two.inputReader(UTF_8)) {
      assertEquals("ready", first.readLine());
      assertEquals("ready", second.readLine());
      Files.createFile(start);
      int wonByFirst = 0;
      for (int disk = 0; disk < disks; disk++) {
        List<String> verdicts = List.of(line(first), line(second));
        List<String> sorted = new ArrayList<>(verdicts);
        sorted.sort(String::compareTo);
        assertEquals(List.of("LOST", "WON"), sorted, "disk " + disk);
        wonByFirst += verdicts.get(0).equals("WON") ? 1 : 0;
      }
      System.out.printf("FileLeaseTest: %d of %d races won by one side%n", wonByFirst, disks);
    } finally {
      one.destroyForcibly().waitFor();
      two.destroyForcibly().waitFor();
    }
  }

  private static String line(BufferedReader from) throws IOException {
    String line = from.readLine();
    return line == null ? "nothing" : line;
  }

  private Process claimer(Side side, int disks, Path start) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            LeaseClaimer.class.getName(),
            directory.toString(),
            side.name(),
            String.valueOf(disks),
            start.toString())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }
}
