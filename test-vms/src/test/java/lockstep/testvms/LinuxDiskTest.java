package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.LogEntry;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Linux's own virtio driver on the disk: on the real KVM, with real MMIO, on a real file. */
@KvmRequired
class LinuxDiskTest {
  private static final long BOOT_LIMIT_SECONDS = 180;
  private static final long ANSWER_LIMIT_SECONDS = 120;
  private static final int IMAGE_BYTES = 16 << 20;
  private static final int BLOCKS = 256;
  private static final int BLOCK_BYTES = 4096;

  @TempDir private Path directory = Path.of("");

  @BeforeAll
  static void theGuestIsBuilt() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
  }

  private static String answer(LiveConsole console, String command) throws Exception {
    int from = console.transcript().length();
    console.type(command + "\n");
    console.await(ConsoleSession.PROMPT, ANSWER_LIMIT_SECONDS);
    return console.transcript().substring(from);
  }

  @Test
  void numberedBlocksReachTheImageAndTheReplayNeedsNoDisk() throws Exception {
    Path image = directory.resolve("disk.img");
    try (ImageFile medium = new ImageFile(image, IMAGE_BYTES)) {
      RecordedGuest guest =
          RecordedLinuxTest.linux(
                  console -> {
                    console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
                    String filled = answer(console, "fill /dev/vda " + BLOCKS);
                    assertTrue(filled.contains("fill " + BLOCKS + " blocks"), filled);
                    String checked = answer(console, "check /dev/vda " + BLOCKS);
                    assertTrue(checked.contains("check " + BLOCKS + " blocks"), checked);
                    console.type("poweroff\n");
                  })
              .withDisk(medium);
      RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.KERNEL));
      assertEquals(new RunResult.ExitPort(0), recording.how(), recording.console());
      assertNumbered(image);
      long completions =
          recording.entries().stream()
              .filter(e -> e instanceof LogEntry.Input i && i.input() instanceof DiskCompletion)
              .count();
      System.out.printf(
          "LinuxDiskTest: %d disk completions in %d entries%n",
          completions, recording.entries().size());
      assertTrue(completions > 2, recording.console());
      Files.delete(image);
      RecordReplayTest.assertReplays(guest, recording);
      assertTrue(Files.notExists(image), "a replay made the image again");
    }
  }

  private static void assertNumbered(Path image) throws Exception {
    ByteBuffer content = ByteBuffer.wrap(Files.readAllBytes(image)).order(ByteOrder.LITTLE_ENDIAN);
    for (int block = 0; block < BLOCKS; block++) {
      for (int word = 0; word < BLOCK_BYTES / Long.BYTES; word++) {
        assertEquals(
            (long) block << 32 | word, content.getLong(block * BLOCK_BYTES + word * Long.BYTES));
      }
    }
    assertEquals(0, content.getLong(BLOCKS * BLOCK_BYTES), "nothing behind them");
  }
}
