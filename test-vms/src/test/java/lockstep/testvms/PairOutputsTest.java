package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import lockstep.cli.demo.BankRecord;
import lockstep.kvm.Kvm;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Console and disk of a pair do not wait for each other, and a backup needs the guest's disk. */
@KvmRequired
class PairOutputsTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final int BLOCK_BYTES = 4096;
  private static final long LIMIT_SECONDS = 120;

  /** Many more than were under way, and less than 1,024 console bytes tell of. */
  private static final int MORE = 20;

  @TempDir private Path directory = Path.of("");

  /** The number that the bank has written into a slot. */
  private static long transaction(Path image, int slot) throws IOException {
    ByteBuffer word = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    try (FileChannel file = FileChannel.open(image, StandardOpenOption.READ)) {
      file.read(word, (long) slot * BLOCK_BYTES);
    }
    return word.getLong(0) >>> 32;
  }

  @Test
  void consoleThatNobodyReadsHoldsUpNoDisk() throws Exception {
    Path path = directory.resolve("bank.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      LiveSide primary = pair.primary();
      primary.await(text -> text.contains("bank: 2\r\n"), "nothing printed", LIMIT_SECONDS);
      primary.holdConsole(true);
      int last = 2 + MORE;
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
      while (transaction(path, last) != last) {
        assertTrue(System.nanoTime() < deadline, "no transaction " + last + " on the disk");
        Thread.sleep(10);
      }
      primary.holdConsole(false);
      primary.type("q");
      assertTrue(
          primary.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Guest,
          () -> primary.notes().toString());
      BankRecord record =
          new BankRecord(
              primary.console().getBytes(ISO_8859_1), new byte[0], primary.console().length());
      assertEquals(Optional.empty(), record.consoleComplaint(), "nothing was lost meanwhile");
    }
  }

  @Test
  void backupWithASmallerDiskIsRefusedByBothSidesInOneLine() throws Exception {
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(directory.resolve("bank.img"), IMAGE_BYTES);
        ImageFile small = new ImageFile(directory.resolve("small.img"), IMAGE_BYTES / 2);
        LivePair pair =
            LivePair.form(kvm, new LivePair.Disks(image, small, LivePair.Winner.FIRST))) {
      String why =
          "the VM's disk has 1048576 bytes, and the backup's has 524288; give both the same --disk";
      // The guest was not to run without a backup; one that runs already goes on.
      assertTrue(
          pair.primary().vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Halted);
      awaitOneNote(pair.primary(), "not protected: the backup refused: " + why);
      awaitOneNote(pair.backup(), "did not become a backup: " + why);
    }
  }

  private static void awaitOneNote(LiveSide side, String line) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (side.notes(line).isEmpty()) {
      assertTrue(System.nanoTime() < deadline, () -> side.notes().toString());
      Thread.sleep(10);
    }
    assertEquals(1, side.notes(line).size(), () -> side.notes().toString());
  }
}
