package lockstep.testvms;

import static lockstep.testvms.BankSides.address;
import static lockstep.testvms.BankSides.ask;
import static lockstep.testvms.BankSides.awaitState;
import static lockstep.testvms.BankSides.backup;
import static lockstep.testvms.BankSides.command;
import static lockstep.testvms.BankSides.goesOnAt;
import static lockstep.testvms.BankSides.primary;
import static lockstep.testvms.BankSides.primaryCommand;
import static lockstep.testvms.BankSides.said;
import static lockstep.testvms.BankSides.signal;
import static lockstep.testvms.BankSides.unique;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import lockstep.cli.demo.BankRecord;
import lockstep.cli.process.PairSide;
import lockstep.storage.FileDisk;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Real pairs of processes, really killed and stopped: the bank guest's outside record must be that
 * of one machine that never died, and only one side may ever speak.
 */
@KvmRequired
class FailoverTest {
  private static final Pattern GOES_ON = Pattern.compile("goes on at byte (\\d+)");
  private static final Pattern ALONE = Pattern.compile("goes on alone");
  private static final long DISK_BYTES = 4L << 20;
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");

  private enum Fault {
    PRIMARY_KILLED,
    BACKUP_KILLED,
    PRIMARY_STOPPED_FOR_A_WHILE,
    BACKUP_STOPPED_FOR_A_WHILE
  }

  @ParameterizedTest
  @EnumSource(
      value = Fault.class,
      names = {"PRIMARY_KILLED", "PRIMARY_STOPPED_FOR_A_WHILE"})
  void nothingIsLostAndOneSideSpeaks(Fault fault) throws Exception {
    round(fault, 600);
  }

  /** A pair under load, a fault so long after its first transaction, and the check. */
  private void round(Fault fault, int afterMillis) throws Exception {
    Path image = directory.resolve(unique("disk") + ".img");
    FileDisk.create(image, DISK_BYTES);
    try (PairSide backup = backup(unique("b"), image);
        PairSide primary = primary(unique("p"), image, address(backup))) {
      assertTrue(
          primary.awaitConsole("bank: 1\r\n", 0, LIMIT_SECONDS), () -> said(primary, backup));
      Thread.sleep(afterMillis);
      switch (fault) {
        case PRIMARY_KILLED -> {
          primary.kill();
          survivorGoesOn(primary, backup, image);
        }
        case PRIMARY_STOPPED_FOR_A_WHILE -> {
          signal(primary, "STOP");
          backup.awaitNote(GOES_ON, LIMIT_SECONDS);
          int before = primary.consoleBytes();
          signal(primary, "CONT");
          Optional<Integer> code = primary.await(LIMIT_SECONDS);
          assertEquals(Optional.of(1), code, () -> said(primary, backup));
          assertEquals(before, primary.consoleBytes(), "it spoke after it had lost");
          survivorGoesOn(primary, backup, image);
        }
        case BACKUP_KILLED -> {
          backup.kill();
          primaryGoesOn(primary, backup, image);
        }
        case BACKUP_STOPPED_FOR_A_WHILE -> {
          signal(backup, "STOP");
          primary.awaitNote(ALONE, LIMIT_SECONDS);
          signal(backup, "CONT");
          assertEquals(Optional.of(1), backup.await(LIMIT_SECONDS), () -> said(primary, backup));
          assertEquals(0, backup.consoleBytes(), "it spoke and had lost");
          primaryGoesOn(primary, backup, image);
        }
      }
    }
    onlyItsEndIsBeside(image);
    Files.delete(image);
  }

  /** Nothing is left of a VM that ended in order, but what says that it is over. */
  private void onlyItsEndIsBeside(Path image) throws IOException {
    String lease = image.getFileName() + ".lease";
    try (var files = Files.list(directory)) {
      assertEquals(
          List.of("", "over"),
          files
              .map(file -> String.valueOf(file.getFileName()))
              .filter(name -> name.startsWith(lease))
              .sorted()
              .map(
                  name ->
                      name.substring(
                          name.length() == lease.length()
                              ? lease.length()
                              : name.lastIndexOf('.') + 1))
              .toList(),
          "something was left behind");
    }
  }

  private static void survivorGoesOn(PairSide primary, PairSide backup, Path image)
      throws Exception {
    int goesOnAt =
        Integer.parseInt(
            backup
                .awaitNote(GOES_ON, LIMIT_SECONDS)
                .orElseThrow(() -> new AssertionError("no takeover" + said(primary, backup)))
                .group(1));
    BankRecord early = new BankRecord(primary.console(), backup.console(), goesOnAt);
    more(backup, early.lastBefore());
    end(backup);
    check(new BankRecord(primary.console(), backup.console(), goesOnAt), image);
  }

  private static void primaryGoesOn(PairSide primary, PairSide backup, Path image)
      throws Exception {
    assertTrue(primary.awaitNote(ALONE, LIMIT_SECONDS).isPresent(), () -> said(primary, backup));
    byte[] soFar = primary.console();
    more(primary, new BankRecord(soFar, new byte[0], soFar.length).last());
    end(primary);
    byte[] all = primary.console();
    check(new BankRecord(all, new byte[0], all.length), image);
  }

  private static void more(PairSide side, long last) throws Exception {
    String later = "bank: " + (last + 5) + "\r\n";
    assertTrue(side.awaitConsole(later, 0, LIMIT_SECONDS), () -> "it stands" + said(side));
  }

  private static void end(PairSide side) throws Exception {
    side.type("q");
    assertEquals(Optional.of(0), side.await(LIMIT_SECONDS), () -> said(side));
  }

  private static void check(BankRecord record, Path image) throws Exception {
    assertEquals(Optional.empty(), record.consoleComplaint());
    assertEquals(Optional.empty(), record.diskComplaint(image));
  }

  @Test
  void guestThatEndsInOrderIsNotTakenOver() throws Exception {
    Path image = directory.resolve("ends.img");
    FileDisk.create(image, DISK_BYTES);
    try (PairSide backup = backup(unique("b"), image);
        PairSide primary = primary(unique("p"), image, address(backup))) {
      assertTrue(
          primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary, backup));
      end(primary);
      assertEquals(Optional.of(0), backup.await(LIMIT_SECONDS), () -> said(primary, backup));
      assertEquals(0, backup.consoleBytes());
      assertFalse(said(backup).contains("took over"), () -> said(backup));
      assertTrue(
          said(backup).contains("the primary left: the guest has ended with exit code 0"),
          () -> said(backup));
    }
    onlyItsEndIsBeside(image);
  }

  @Test
  void primaryThatIsStoppedWhileItPairsEndsInOrderAndNobodyGoesOn() throws Exception {
    Path image = directory.resolve("early.img");
    FileDisk.create(image, DISK_BYTES);
    String name = unique("p");
    String waiting = unique("b");
    try (PairSide backup = backup(waiting, image)) {
      String at = address(backup);
      signal(backup, "STOP");
      try (PairSide primary = primary(name, image, at)) {
        // Said when it can be asked.
        assertTrue(primary.awaitNote(Pattern.compile("lease decides"), LIMIT_SECONDS).isPresent());
        awaitState(name, "PAIRING", primary, backup);
        ask(name, Map.of("command", "stop"));
        assertEquals(Optional.of(0), primary.await(LIMIT_SECONDS), () -> said(primary));
        signal(backup, "CONT");
        awaitState(waiting, "WAITING", primary, backup);
        onlyItsEndIsBeside(image);
      }
    }
  }

  @Test
  void backupThatWasLetGoHasNoPartInTheDiskWhileItWaits() throws Exception {
    Path image = directory.resolve("letgo.img");
    FileDisk.create(image, DISK_BYTES);
    String name = unique("p");
    String waiting = unique("b");
    try (PairSide backup = backup(waiting, image);
        PairSide primary = primary(name, image, address(backup))) {
      assertTrue(
          primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary, backup));
      ask(name, Map.of("command", "detach"));
      awaitState(waiting, "WAITING", primary, backup);
      // WAITING is seen before its machine has gone.
      long until = System.nanoTime() + LIMIT_SECONDS * 1_000_000_000L;
      while (isAlive(image, backup.process())) {
        assertTrue(System.nanoTime() < until, () -> "it has a part still" + said(backup));
        Thread.sleep(20);
      }
      end(primary);
      onlyItsEndIsBeside(image);
    }
  }

  /** Whether a process has its hand on an image's lease. */
  private static boolean isAlive(Path image, Process process) throws IOException {
    try (var open = Files.list(Path.of("/proc/" + process.pid() + "/fd"))) {
      String alive = image + ".lease.alive";
      return open.anyMatch(
          fd -> {
            try {
              return Files.readSymbolicLink(fd).toString().equals(alive);
            } catch (IOException e) {
              return false;
            }
          });
    }
  }

  @Test
  void plannedFailoverThenNewBackupThenKillLosesNothing() throws Exception {
    Path image = directory.resolve("planned.img");
    FileDisk.create(image, DISK_BYTES);
    String first = unique("p");
    String second = unique("b");
    try (PairSide two = backup(second, image);
        PairSide one = primary(first, image, address(two))) {
      assertTrue(one.awaitConsole("bank: 3\r\n", 0, LIMIT_SECONDS), () -> said(one, two));
      try (PairSide failover = failover(first)) {
        awaitState(first, "HANDING_OVER", one, two);
        // It may go on at the other side: stopped here, it would not be over.
        IOException refused =
            assertThrows(IOException.class, () -> ask(first, Map.of("command", "stop")));
        assertTrue(
            String.valueOf(refused.getMessage()).contains("being handed over"), refused.toString());
        assertEquals(Optional.of(0), failover.await(LIMIT_SECONDS), () -> said(failover, one));
      }
      assertEquals(Optional.of(0), one.await(LIMIT_SECONDS), () -> said(one, two));
      int twoFrom = goesOnAt(two);
      more(two, new BankRecord(one.console(), two.console(), twoFrom).last());
      assertEquals(one.consoleBytes(), twoFrom, "a planned failover shows nothing twice");
      try (PairSide three = backup(unique("c"), image)) {
        ask(second, Map.of("command", "protect", "backup", address(three)));
        awaitState(second, "PROTECTED", two, three);
        int atPairing = two.consoleBytes();
        more(two, new BankRecord(one.console(), two.console(), twoFrom).last());
        two.kill();
        int threeFrom = goesOnAt(three);
        // Counted from when the pair was formed, at or before where it was looked at here.
        byte[] seenOfTwo = two.console();
        assertTrue(threeFrom <= seenOfTwo.length, "more shown than there is");
        assertTrue(atPairing > 0);
        Thread.sleep(500);
        end(three);
        long lastOfTwo = new BankRecord(seenOfTwo, new byte[0], seenOfTwo.length).lastBefore();
        String rest = new String(three.console(), java.nio.charset.StandardCharsets.ISO_8859_1);
        assertTrue(
            rest.contains("bank: " + (lastOfTwo + 1) + "\r\n"),
            () -> "no " + (lastOfTwo + 1) + " in: " + rest);
      }
    }
  }

  /** A host that shuts down, or a terminal that is closed, is no end of the VM. */
  @ParameterizedTest
  @ValueSource(strings = {"TERM", "HUP", "TERM --stop-timeout 0"})
  void aSignalToAProtectedPrimaryLetsTheBackupContinue(String how) throws Exception {
    String[] words = how.split(" ", -1);
    IgnoredSignals.assumeNot(words[0]);
    Path image = directory.resolve("signal.img");
    FileDisk.create(image, DISK_BYTES);
    String[] more = Arrays.copyOfRange(words, 1, words.length);
    try (PairSide backup = backup(unique("b"), image);
        PairSide primary = primary(unique("p"), image, address(backup), more)) {
      assertTrue(
          primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary, backup));
      signal(primary, words[0]);
      assertTrue(primary.await(LIMIT_SECONDS).isPresent(), () -> said(primary, backup));
      survivorGoesOn(primary, backup, image);
    }
  }

  @Test
  void aPrimaryWithoutABackupEndsByASignal() throws Exception {
    Path image = directory.resolve("alone.img");
    FileDisk.create(image, DISK_BYTES);
    String name = unique("p");
    try (PairSide primary =
        new PairSide(
            name,
            command("primary", "--name", name, "--guest", "bank", "--disk", "file:" + image),
            line -> {})) {
      assertTrue(primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary));
      signal(primary, "TERM");
      assertEquals(Optional.of(143), primary.await(LIMIT_SECONDS), () -> said(primary));
    }
  }

  /** As with the option of the launcher: whichever thread it is that gets no memory. */
  @Test
  void aPrimaryWhoseHeapIsFullEndsAtOnceAndTheBackupContinues() throws Exception {
    Path image = directory.resolve("heap.img");
    Path go = directory.resolve("go");
    FileDisk.create(image, DISK_BYTES);
    try (PairSide backup = backup(unique("b"), image)) {
      List<String> command = new ArrayList<>();
      for (String word : primaryCommand(unique("p"), image, address(backup))) {
        if (word.equals("lockstep.cli.Main")) {
          command.addAll(List.of("lockstep.testvms.FullHeap", go.toString()));
        } else {
          command.add(word);
        }
      }
      command.addAll(
          1, List.of("-Xmx96m", "-XX:+ExitOnOutOfMemoryError", "-XX:+DisplayVMOutputToStderr"));
      try (PairSide primary = new PairSide("p", command, line -> {})) {
        assertTrue(
            primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary, backup));
        Files.createFile(go);
        assertEquals(Optional.of(3), primary.await(LIMIT_SECONDS), () -> said(primary, backup));
        survivorGoesOn(primary, backup, image);
      }
    }
  }

  private static PairSide failover(String name) throws IOException {
    return new PairSide("failover", command("failover", name), line -> {});
  }

  @Test
  void plannedFailoverToABackupThatHangsFailsInOneLineAndTheVmGoesOn() throws Exception {
    Path image = directory.resolve("hangs.img");
    FileDisk.create(image, DISK_BYTES);
    String name = unique("p");
    try (PairSide backup = backup(unique("b"), image);
        PairSide primary = primary(name, image, address(backup))) {
      assertTrue(
          primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary, backup));
      signal(backup, "STOP");
      try (PairSide failover = failover(name)) {
        assertEquals(Optional.of(1), failover.await(LIMIT_SECONDS), () -> said(failover));
        assertEquals(1, failover.notes().size(), () -> said(failover));
        assertTrue(
            said(failover).contains("not handed over: the backup is gone; the VM goes on here"),
            () -> said(failover));
      }
      primaryGoesOn(primary, backup, image);
      signal(backup, "CONT");
      assertEquals(Optional.of(1), backup.await(LIMIT_SECONDS), () -> said(primary, backup));
    }
  }

  @Test
  void sparesAreTriedInOrderWithoutBeingAsked() throws Exception {
    Path image = directory.resolve("spares.img");
    FileDisk.create(image, DISK_BYTES);
    String name = unique("p");
    String nobody = "127.0.0.1:1";
    try (PairSide first = backup(unique("b"), image);
        PairSide second = backup(unique("c"), image);
        PairSide primary =
            primary(name, image, address(first), "--spares", nobody + "," + address(second))) {
      assertTrue(primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary, first));
      first.kill();
      awaitStateNot(name, "epoch", "1", primary, second);
      assertTrue(
          said(primary)
              .contains("no backup, asking on: connect to 127.0.0.1:1: connection refused"),
          () -> said(primary));
      awaitState(name, "PROTECTED", primary, second);
      more(primary, new BankRecord(primary.console(), new byte[0], primary.consoleBytes()).last());
      end(primary);
      assertEquals(Optional.of(0), second.await(LIMIT_SECONDS), () -> said(primary, second));
      assertEquals(0, second.consoleBytes());
    }
  }

  private static void awaitStateNot(String name, String field, String value, PairSide... sides)
      throws Exception {
    long until = System.nanoTime() + LIMIT_SECONDS * 1_000_000_000L;
    while (value.equals(String.valueOf(ask(name, Map.of("command", "status")).get(field)))) {
      assertTrue(System.nanoTime() < until, () -> field + " is still " + value + said(sides));
      Thread.sleep(20);
    }
  }

  /** A real fault: a byte of the guest's memory at the backup changes behind its back. */
  @Test
  void backupWhoseMemoryRotsGetsTheStateAnewAndCanTakeOver() throws Exception {
    Path image = directory.resolve("rots.img");
    FileDisk.create(image, DISK_BYTES);
    String name = unique("p");
    try (PairSide backup = backup(unique("b"), image);
        PairSide primary = primary(name, image, address(backup))) {
      assertTrue(
          primary.awaitConsole("bank: 2\r\n", 0, LIMIT_SECONDS), () -> said(primary, backup));
      GuestMemoryOf.process(backup.process().pid(), 8 << 20).change("bank: ", "bonk: ");
      assertTrue(
          primary.awaitNote(Pattern.compile("DIVERGED|diverged|left"), LIMIT_SECONDS).isPresent(),
          () -> said(primary, backup));
      // As replay prints it, headline first; not as a record of ours.
      Pattern headline = Pattern.compile("divergence \\([a-z ]+\\) after [0-9]+ guest exits");
      assertTrue(
          backup.awaitNote(headline, LIMIT_SECONDS).isPresent(), () -> said(primary, backup));
      awaitState(name, "PROTECTED", primary, backup);
      assertEquals("2", String.valueOf(ask(name, Map.of("command", "status")).get("epoch")));
      int before = primary.consoleBytes();
      more(primary, new BankRecord(primary.console(), new byte[0], before).last());
      primary.kill();
      long shown = new BankRecord(primary.console(), new byte[0], primary.consoleBytes()).last();
      goesOnAt(backup);
      String next = "bank: " + (shown + 1) + "\r\n";
      assertTrue(backup.awaitConsole(next, 0, LIMIT_SECONDS), () -> said(primary, backup));
      end(backup);
    }
  }
}
