package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import lockstep.cli.demo.BankRecord;
import lockstep.kvm.Kvm;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A log that a backup cannot read: it must say so and get the state anew. One that waits for the
 * primary's end instead would go live from there, and undo all that was shown since.
 */
@KvmRequired
class UnreadableLogTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");

  private static void more(LiveSide side) throws InterruptedException {
    int before = side.console().length();
    side.await(text -> text.length() > before && text.endsWith("\n"), "it stands", LIMIT_SECONDS);
  }

  @Test
  void anEntryOfNoKindIsADivergenceAndTheNextBackupStateIsWhole() throws Exception {
    Path path = directory.resolve("bank.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      LiveSide primary = pair.primary();
      LiveSide backup = pair.backup();
      more(primary);
      primary.channel().breakNextEntry();
      String found = "diverged from the primary: divergence at log entry ";
      awaitNote(backup, found);
      String note = backup.notes(found).getFirst();
      assertTrue(note.contains("no kind of entry 99"), note);
      // With the state anew it follows again, and takes over all that was shown.
      awaitNote(primary, "state of 8 MiB", 2);
      awaitProtected(primary);
      more(primary);
      String before = primary.console();
      assertEquals(
          "Done[]",
          primary
              .vm()
              .handOver(TimeUnit.SECONDS.toNanos(LIMIT_SECONDS))
              .get(2 * LIMIT_SECONDS, TimeUnit.SECONDS)
              .toString());
      assertTrue(before.length() > 0);
      more(backup);
      backup.type("q");
      assertTrue(
          backup.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Guest,
          () -> backup.notes().toString());
      BankRecord record =
          new BankRecord(
              primary.console().getBytes(ISO_8859_1),
              backup.console().getBytes(ISO_8859_1),
              primary.console().length());
      assertEquals(Optional.empty(), record.consoleComplaint());
      assertEquals(Optional.empty(), record.diskComplaint(path));
    }
  }

  private static void awaitProtected(LiveSide side) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (side.node().status().state() != FtState.PROTECTED) {
      assertTrue(System.nanoTime() < deadline, () -> side.notes().toString());
      Thread.sleep(10);
    }
  }

  private static void awaitNote(LiveSide side, String beginning) throws InterruptedException {
    awaitNote(side, beginning, 1);
  }

  private static void awaitNote(LiveSide side, String beginning, int count)
      throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    List<String> notes = side.notes(beginning);
    while (notes.size() < count) {
      assertTrue(System.nanoTime() < deadline, () -> side.notes().toString());
      Thread.sleep(10);
      notes = side.notes(beginning);
    }
  }
}
