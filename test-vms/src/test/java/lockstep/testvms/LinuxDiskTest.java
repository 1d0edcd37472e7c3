package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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
  private static final long BOOT_LIMIT_SECONDS = 600;
  private static final long ANSWER_LIMIT_SECONDS = 300;
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
    Files.write(image, numbered(BLOCKS / 2));
    try (ImageFile medium = new ImageFile(image, IMAGE_BYTES)) {
      RecordedGuest guest =
          RecordedLinuxTest.linux(
                  console -> {
                    console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
                    String found = answer(console, "check /dev/vda " + BLOCKS / 2);
                    assertTrue(found.contains("check " + BLOCKS / 2 + " blocks"), found);
                    String filled = answer(console, "fill /dev/vda " + BLOCKS);
                    assertTrue(filled.contains("fill " + BLOCKS + " blocks"), filled);
                    String checked = answer(console, "check /dev/vda " + BLOCKS);
                    assertTrue(checked.contains("check " + BLOCKS + " blocks"), checked);
                    console.type("poweroff\n");
                  })
              .withDisk(medium);
      RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.KERNEL));
      assertEquals(new RunResult.ExitPort(0), recording.how(), recording.console());
      byte[] content = Files.readAllBytes(image);
      byte[] expected = Arrays.copyOf(numbered(BLOCKS), IMAGE_BYTES);
      assertEquals(-1, Arrays.mismatch(expected, content), "the image differs at this byte");
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

  /** What the guest's fill writes. */
  static byte[] numbered(int blocks) {
    ByteBuffer content = ByteBuffer.allocate(blocks * BLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int block = 0; block < blocks; block++) {
      for (int word = 0; word < BLOCK_BYTES / Long.BYTES; word++) {
        content.putLong((long) block << 32 | word);
      }
    }
    return content.array();
  }

  @Test
  void fileSystemSurvivesItsRemountAndTheHostsCheck() throws Exception {
    Path image = directory.resolve("ext2.img");
    try (ImageFile medium = new ImageFile(image, IMAGE_BYTES)) {
      assumeTrue(
          run("mke2fs", "-q", "-F", "-t", "ext2", image.toString()) == 0,
          "no mke2fs on this host: apt-get install e2fsprogs");
      RecordedGuest guest =
          RecordedLinuxTest.linux(
                  console -> {
                    console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
                    answer(console, "mount /dev/vda /mnt");
                    answer(console, "fill /mnt/numbers 200");
                    answer(console, "write /mnt/word lockstep");
                    answer(console, "umount /mnt");
                    answer(console, "mount /dev/vda /mnt");
                    String checked = answer(console, "check /mnt/numbers 200");
                    assertTrue(checked.contains("check 200 blocks"), checked);
                    String word = answer(console, "cat /mnt/word");
                    assertTrue(word.contains("lockstep"), word);
                    answer(console, "umount /mnt");
                    console.type("poweroff\n");
                  })
              .withDisk(medium);
      RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.KERNEL));
      assertEquals(new RunResult.ExitPort(0), recording.how(), recording.console());
      assertEquals(0, run("e2fsck", "-f", "-n", image.toString()), "the file system is not clean");
      Files.delete(image);
      RecordReplayTest.assertReplays(guest, recording);
    }
  }

  @Test
  void guestHaltsAtTheFirstRefusalOfTheStorage() throws Exception {
    Path image = directory.resolve("fenced.img");
    try (ImageFile medium = new ImageFile(image, IMAGE_BYTES)) {
      RecordedGuest guest =
          RecordedLinuxTest.linux(
                  console -> {
                    console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
                    medium.fence();
                    console.type("fill /dev/vda " + BLOCKS + "\n");
                  })
              .withDisk(medium);
      RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.KERNEL));
      assertEquals(new RunResult.Fenced(ImageFile.FENCED), recording.how(), recording.console());
      RecordReplayTest.assertReplays(guest, recording);
    }
  }

  private static int run(String... command) throws Exception {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor();
    } catch (IOException e) {
      return -1; // no such program
    }
  }
}
