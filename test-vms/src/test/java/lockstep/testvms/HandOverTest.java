package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import lockstep.cli.demo.BankRecord;
import lockstep.kvm.Kvm;
import lockstep.replay.ft.PlannedFailover;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A planned failover while the disk owes the guest an answer: a write that lands after the backup
 * has gone on would overwrite what that wrote.
 */
@KvmRequired
class HandOverTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 60;

  /** Long enough for a hand-over that does not wait to be seen to. */
  private static final long LOOK_MILLIS = 1_000;

  @TempDir private Path directory = Path.of("");

  private static void more(LiveSide side) throws InterruptedException {
    int before = side.console().length();
    side.await(text -> text.length() > before && text.endsWith("\n"), "it stands", LIMIT_SECONDS);
  }

  private static void hasPrinted(LiveSide side, String text) throws InterruptedException {
    side.await(shown -> shown.contains(text), "no '" + text + "'", LIMIT_SECONDS);
  }

  private static PlannedFailover.Outcome outcome(CompletableFuture<PlannedFailover.Outcome> asked)
      throws Exception {
    return asked.get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private static void end(LiveSide side) throws Exception {
    side.type("q");
    assertTrue(
        side.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Guest,
        () -> side.notes().toString());
  }

  @Test
  void itWaitsForAnAnswerThatTheDiskHoldsBack() throws Exception {
    Path path = directory.resolve("slow.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      LiveSide primary = pair.primary();
      LiveSide backup = pair.backup();
      hasPrinted(primary, "bank: 2\r\n");
      primary.medium().hold();
      primary.medium().awaitHeld(LIMIT_SECONDS);
      CompletableFuture<PlannedFailover.Outcome> asked =
          primary.vm().handOver(TimeUnit.SECONDS.toNanos(LIMIT_SECONDS));
      assertThrows(
          TimeoutException.class,
          () -> asked.get(LOOK_MILLIS, TimeUnit.MILLISECONDS),
          "handed over with a write under way");
      assertEquals(FtState.FOLLOWING, backup.node().status().state(), "it went on early");
      assertEquals("", backup.console());

      primary.medium().release();
      assertEquals(new PlannedFailover.Outcome.Done(), outcome(asked));
      assertTrue(
          primary.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Elsewhere);
      more(backup);
      end(backup);
      int goesOnAt = primary.console().length();
      BankRecord record =
          new BankRecord(
              primary.console().getBytes(ISO_8859_1),
              backup.console().getBytes(ISO_8859_1),
              goesOnAt);
      assertEquals(Optional.empty(), record.consoleComplaint());
      assertEquals(Optional.empty(), record.diskComplaint(path));
    }
  }

  @Test
  void itIsGivenUpWhenTheDiskNeverAnswersAndTheGuestGoesOn() throws Exception {
    Path path = directory.resolve("stuck.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      LiveSide primary = pair.primary();
      hasPrinted(primary, "bank: 2\r\n");
      primary.medium().hold();
      primary.medium().awaitHeld(LIMIT_SECONDS);
      PlannedFailover.Outcome given = outcome(primary.vm().handOver(TimeUnit.SECONDS.toNanos(1)));
      String line = "1 disk requests were not answered in 1 s; the VM goes on here";
      assertEquals(new PlannedFailover.Outcome.NotDone(line), given);
      assertEquals(List.of("not handed over: " + line), primary.notes("not handed over"));
      assertEquals(FtState.PROTECTED, primary.node().status().state());
      assertFalse(primary.vm().over().isDone());

      // The answer comes after all: nothing was lost by the attempt, and the next one succeeds.
      primary.medium().release();
      more(primary);
      assertEquals("", pair.backup().console());
      assertEquals(
          new PlannedFailover.Outcome.Done(),
          outcome(primary.vm().handOver(TimeUnit.SECONDS.toNanos(LIMIT_SECONDS))));
      more(pair.backup());
      end(pair.backup());
      isWhole(pair, primary.console().length(), path);
    }
  }

  /** The attempt must not be in the log: the backup would go live from there, and undo the rest. */
  @Test
  void theBackupLosesNothingWhenThePrimaryDiesAfterAnAttemptThatWasGivenUp() throws Exception {
    Path path = directory.resolve("given-up.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      LiveSide primary = pair.primary();
      LiveSide backup = pair.backup();
      hasPrinted(primary, "bank: 2\r\n");
      primary.medium().hold();
      primary.medium().awaitHeld(LIMIT_SECONDS);
      assertTrue(
          outcome(primary.vm().handOver(TimeUnit.MILLISECONDS.toNanos(100)))
              instanceof PlannedFailover.Outcome.NotDone);
      CompletableFuture<PlannedFailover.Outcome> cancelled = new CompletableFuture<>();
      assertTrue(cancelled.cancel(false));
      primary.medium().release();
      more(primary);
      more(primary);
      primary.die();
      more(backup);
      end(backup);
      int shown = backup.goesLiveAt();
      assertTrue(
          shown <= primary.console().length(),
          () -> "a hole: " + backup.notes() + " after " + primary.console());
      isWhole(pair, shown, path);
    }
  }

  private static void isWhole(LivePair pair, int goesOnAt, Path path) throws Exception {
    BankRecord record =
        new BankRecord(
            pair.primary().console().getBytes(ISO_8859_1),
            pair.backup().console().getBytes(ISO_8859_1),
            goesOnAt);
    assertEquals(Optional.empty(), record.consoleComplaint());
    assertEquals(Optional.empty(), record.diskComplaint(path));
  }

  /** A backup that was told to go on would go on with a guest that the user has ended. */
  @Test
  void stopWhileItWaitsEndsTheVmAtBothSides() throws Exception {
    Path path = directory.resolve("stopped.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      LiveSide primary = pair.primary();
      LiveSide backup = pair.backup();
      hasPrinted(primary, "bank: 2\r\n");
      primary.medium().hold();
      primary.medium().awaitHeld(LIMIT_SECONDS);
      CompletableFuture<PlannedFailover.Outcome> asked =
          primary.vm().handOver(TimeUnit.SECONDS.toNanos(LIMIT_SECONDS));
      assertThrows(
          TimeoutException.class,
          () -> asked.get(LOOK_MILLIS, TimeUnit.MILLISECONDS),
          "handed over with a write under way");
      primary.vm().stop();
      primary.medium().release();
      assertEquals(new PlannedFailover.Outcome.NotDone("the guest was stopped"), outcome(asked));
      assertTrue(primary.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Guest);
      assertTrue(
          backup.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Elsewhere,
          () -> backup.notes().toString());
      assertEquals("", backup.console(), "it went on");
    }
  }
}
