package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
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

/** Commands with a disk on a real iSCSI target, as a user has them. */
@KvmRequired
class IscsiCommandsTest {
  private static final long LIMIT_SECONDS = 60;

  /** The exit code of a process that SIGTERM has ended. */
  private static final int TERMINATED = 143;

  private static final int COMMAND_MILLIS = 5_000;
  private static final long DISK_BYTES = 4L << 20;
  private static final String VM = "00112233445566778899aabbccddeeff";

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");
  private Tgtd tgtd;
  private String disk = "";

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.img");
    FileDisk.create(image, DISK_BYTES);
    tgtd = Tgtd.start(image);
    disk = "iscsi:" + tgtd.address(1, "");
  }

  @AfterEach
  void stop() throws Exception {
    if (tgtd != null) {
      tgtd.close();
    }
  }

  private record Answer(int code, String text) {
    boolean isOneLine() {
      return text.strip().lines().count() == 1;
    }
  }

  private static Answer lockstep(String name, String... arguments) throws Exception {
    try (ConsoleSession session = ConsoleSession.of(name, arguments)) {
      int code = session.exitCode();
      assertFalse(session.transcript().contains("internal error"), session.transcript());
      return new Answer(code, session.transcript());
    }
  }

  private static void assertSays(Answer answer, int code, String... parts) {
    assertEquals(code, answer.code(), answer.text());
    for (String part : parts) {
      assertTrue(answer.text().contains(part), answer.text());
    }
  }

  private Path secret(String line, String permissions) throws IOException {
    Path file = Files.createTempFile(directory, "chap", "");
    Files.writeString(file, line);
    return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
  }

  @Test
  void whatCannotBeReachedIsNamedInOneLine() throws Exception {
    String other = disk.replace(":disk/1", ":other/1");
    tgtd.admin("--op", "new", "--mode", "account", "--user", "us", "--password", "secretsecret");
    Path right = secret("us:secretsecret\n", "rw-------");
    Path wrong = secret("us:wrongwrongwrong\n", "rw-------");
    Path open = secret("us:secretsecret\n", "rw-r--r--");
    String[][] bad = {
      {"iscsi://127.0.0.1:1/" + Tgtd.TARGET + "/1", "refused"},
      {"iscsi://no-such-host.invalid/" + Tgtd.TARGET + "/1", "no such host"},
      {other, "no such target"},
      {disk.replace(":disk/1", ":disk/9"), "no such LUN"},
      {disk + "?chap=" + directory.resolve("none"), "is not there"},
      {disk + "?chap=" + open, "can be read by others: chmod 600"},
      {disk + "?chap", "is not an option"},
      {"iscsi://127.0.0.1", "is not an iSCSI disk"},
    };
    for (String[] line : bad) {
      Answer answer = lockstep("run", "--guest", "bank", "--disk", line[0]);
      assertTrue(answer.code() == 1 || answer.code() == 2, answer.text());
      assertTrue(answer.isOneLine(), answer.text());
      assertTrue(answer.text().contains(line[1]), answer.text());
    }
    tgtd.admin("--op", "bind", "--mode", "account", "--tid", "1", "--user", "us");
    assertSays(lockstep("disk", "info", disk), 1, "the target wants a secret: add ?chap=FILE");
    Answer refused = lockstep("disk", "info", disk + "?chap=" + wrong);
    assertSays(refused, 1, "refuses user or secret");
    assertFalse(refused.text().contains("wrongwrong"), "the secret is shown");
    assertSays(lockstep("disk", "info", disk + "?chap=" + right), 0, "reserved by  nobody");
  }

  @Test
  void runHoldsTheDiskAndGivesItBack() throws Exception {
    try (ConsoleSession bank = ConsoleSession.of("run", "--guest", "bank", "--disk", disk)) {
      bank.await("bank: 3\r\n", LIMIT_SECONDS);
      assertSays(lockstep("disk", "info", disk), 0, "reserved by  VM ", "epoch 1, primary");
      assertSays(lockstep("run", "--guest", "bank", "--disk", disk), 1, "is in use by another VM");
      assertSays(lockstep("disk", "probe", disk), 1, "is in use", "a probe would disturb it");
      bank.typeRaw("q");
      assertEquals(0, bank.exitCode(), bank.transcript());
    }
    assertSays(lockstep("disk", "info", disk), 0, "reserved by  nobody", "registered   nobody");
    assertSays(
        lockstep("disk", "probe", disk),
        0,
        "0 writes of the loser taken",
        "forgotten when the target restarts");
  }

  @Test
  void runThatIsToldToEndGivesTheDiskBackAtOnce() throws Exception {
    try (ConsoleSession bank = ConsoleSession.of("run", "--guest", "bank", "--disk", disk)) {
      bank.await("bank: 2\r\n", LIMIT_SECONDS);
      bank.terminate();
      assertEquals(TERMINATED, bank.exitCode(), bank.transcript());
    }
    assertSays(lockstep("disk", "info", disk), 0, "reserved by  nobody", "registered   nobody");
  }

  @Test
  void diskOfARunThatWasKilledIsTakenByTheNextOne() throws Exception {
    try (ConsoleSession bank = ConsoleSession.of("run", "--guest", "bank", "--disk", disk)) {
      bank.await("bank: 2\r\n", LIMIT_SECONDS);
      bank.kill();
    }
    assertSays(lockstep("disk", "info", disk), 0, "reserved by  VM ");
    try (ConsoleSession bank = ConsoleSession.of("run", "--guest", "bank", "--disk", disk)) {
      bank.await("bank: 2\r\n", LIMIT_SECONDS);
      bank.typeRaw("q");
      assertEquals(0, bank.exitCode(), bank.transcript());
    }
  }

  /** Its guest makes no request that the target could refuse. */
  @Test
  void idleVmWhoseReservationWasTakenEndsAtOnce() throws Exception {
    try (ConsoleSession vm = ConsoleSession.of("run", "--guest", "echo", "--disk", disk)) {
      vm.await("> ", LIMIT_SECONDS);
      try (IscsiSession session =
          IscsiSession.open(
              IscsiAddress.parse(tgtd.address(1, "?initiator=iqn.2026-11.dev.lockstep.test:third")),
              IscsiTimes.USUAL)) {
        Reservations unit =
            new Reservations(session, PersistentReserve.Type.WRITE_EXCLUSIVE, COMMAND_MILLIS);
        long held = unit.reservation().orElseThrow().key();
        long key = 77;
        assertTrue(
            unit.change(PersistentReserve.Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, key, false));
        assertTrue(unit.change(PersistentReserve.Out.PREEMPT, key, held, false));
      }
      assertEquals(1, vm.exitCode(), vm.transcript());
      assertTrue(
          vm.transcript().contains("its disk is not this VM's any more: disk "), vm.transcript());
    }
  }

  @Test
  void recordingNeedsNoTargetToReplayAndOneToGoOnLive() throws Exception {
    Path log = directory.resolve("bank.log");
    try (ConsoleSession bank =
        ConsoleSession.of("record", log.toString(), "--guest", "bank", "--disk", disk)) {
      bank.await("bank: 3\r\n", LIMIT_SECONDS);
      bank.terminate();
      assertEquals(TERMINATED, bank.exitCode(), bank.transcript());
    }
    assertSays(lockstep("disk", "info", disk), 0, "reserved by  nobody");
    tgtd.kill();
    assertSays(lockstep("replay", log.toString(), "--verify"), 0, "equal to the recording");
    tgtd.restart();
    try (ConsoleSession live =
        ConsoleSession.of("replay", log.toString(), "--go-live", "--disk", disk)) {
      live.await("goes on live", LIMIT_SECONDS);
      live.await("bank: 20\r\n", LIMIT_SECONDS);
      live.terminate();
      assertEquals(TERMINATED, live.exitCode(), live.transcript());
    }
    assertSays(lockstep("disk", "info", disk), 0, "reserved by  nobody");
  }

  @Test
  void arbitrationByHandIsForEverAndCanBeReopenedAfterItWasForgotten() throws Exception {
    String[] claim = {"disk", "arbitrate", disk, "--vm", VM, "--epoch", "1", "--side"};
    assertSays(arbitrate(claim, "primary", "--reopen"), 0, "REOPENED");
    assertSays(arbitrate(claim, "backup", "--enter"), 0, "WON");
    assertSays(arbitrate(claim, "primary"), 1, "LOST", "backup that won");
    assertSays(arbitrate(claim, "backup"), 0, "WON");
    tgtd.kill();
    tgtd.restart();
    assertSays(arbitrate(claim, "backup"), 1, "UNKNOWN", "has forgotten");
    assertSays(arbitrate(claim, "backup", "--reopen"), 0, "REOPENED");
    assertSays(arbitrate(claim, "backup"), 0, "WON");
  }

  private static Answer arbitrate(String[] claim, String... rest) throws Exception {
    String[] all = Arrays.copyOf(claim, claim.length + rest.length);
    System.arraycopy(rest, 0, all, claim.length, rest.length);
    return lockstep(all[0], Arrays.copyOfRange(all, 1, all.length));
  }
}
