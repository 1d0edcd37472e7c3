package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.FileDisk;
import lockstep.storage.SharedDisk;
import lockstep.testing.KvmRequired;
import lockstep.testing.LoopDevice;
import lockstep.testing.SmallFileSystem;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Linux on the disks that users give it: an image, a block device, a unit of a target. */
@KvmRequired
class LinuxStorageTest {
  /** Only ends what hangs: on a busy host a boot takes minutes. */
  private static final long BOOT_LIMIT_SECONDS = 600;

  private static final long ANSWER_LIMIT_SECONDS = 300;
  private static final int IMAGE_BYTES = 16 << 20;
  private static final int BLOCKS = 200;

  @TempDir private Path directory = Path.of("");

  @BeforeAll
  static void theGuestIsBuilt() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
  }

  @Test
  void fileSystemOnAnImageSurvivesItsRemountAndReplaysWithoutTheImage() throws Exception {
    Path image = ext2Image();
    RecordedGuest guest;
    RecordedGuest.Recording recording;
    try (BlockDevice disk = FileDisk.open(image, FileDisk.HostCache.USED)) {
      guest = linux(LinuxStorageTest::workOnFileSystem).withDisk(disk);
      recording = record(guest);
    }
    checkAndRemove(image);
    RecordReplayTest.assertReplays(guest, recording);
  }

  @Test
  void fileSystemOnABlockDeviceSurvivesItsRemountAndReplaysWithoutTheDevice() throws Exception {
    Path image = ext2Image();
    RecordedGuest guest;
    RecordedGuest.Recording recording;
    try (LoopDevice loop = LoopDevice.over(image);
        BlockDevice disk = BlockDisk.open(loop.path(), BlockDisk.Use.ALONE)) {
      guest = linux(LinuxStorageTest::workOnFileSystem).withDisk(disk);
      recording = record(guest);
    }
    checkAndRemove(image);
    RecordReplayTest.assertReplays(guest, recording);
  }

  @Test
  void fileSystemOnAnIscsiTargetSurvivesItsRemountAndReplaysWithoutTheTarget() throws Exception {
    Path image = ext2Image();
    RecordedGuest guest;
    RecordedGuest.Recording recording;
    try (Tgtd tgtd = Tgtd.start(image);
        SharedDisk disk =
            SharedDisk.open(DiskSpec.parse("iscsi:" + tgtd.address(1, "")), BlockDisk.Use.ALONE)) {
      guest = linux(LinuxStorageTest::workOnFileSystem).withDisk(disk.medium());
      recording = record(guest);
    }
    checkAndRemove(image);
    RecordReplayTest.assertReplays(guest, recording);
  }

  @Test
  void fullHostDiskIsAnErrorToTheGuestWhichGoesOn() throws Exception {
    try (SmallFileSystem small = SmallFileSystem.ofBytes(256 << 10)) {
      Path image = small.directory().resolve("disk.img");
      FileDisk.create(image, IMAGE_BYTES);
      RecordedGuest guest;
      RecordedGuest.Recording recording;
      try (BlockDevice disk = FileDisk.open(image, FileDisk.HostCache.USED)) {
        guest =
            linux(
                    console -> {
                      console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
                      String filled = answer(console, "fill /dev/vda " + BLOCKS);
                      assertFalse(filled.contains("fill " + BLOCKS + " blocks"), filled);
                      assertTrue(filled.contains("I/O error"), filled);
                      String alive = answer(console, "echo alive");
                      assertTrue(alive.contains("alive"), alive);
                      console.type("poweroff\n");
                    })
                .withDisk(disk);
        recording = record(guest);
      }
      RecordReplayTest.assertReplays(guest, recording);
    }
  }

  @Test
  void imageThatNobodyMayWriteIsAReadOnlyDiskToTheGuest() throws Exception {
    Path image = directory.resolve("fixed.img");
    Files.write(image, LinuxDiskTest.numbered(BLOCKS));
    Files.setPosixFilePermissions(image, PosixFilePermissions.fromString("r--------"));
    try (BlockDevice disk = FileDisk.open(image, FileDisk.HostCache.USED)) {
      RecordedGuest guest =
          linux(
                  console -> {
                    console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
                    String found = answer(console, "check /dev/vda " + BLOCKS);
                    assertTrue(found.contains("check " + BLOCKS + " blocks"), found);
                    String refused = answer(console, "fill /dev/vda 1");
                    // Linux's word for a disk with VIRTIO_BLK_F_RO that is opened for writing.
                    assertTrue(refused.contains("not permitted"), refused);
                    console.type("poweroff\n");
                  })
              .withDisk(disk);
      record(guest);
    }
    assertEquals(-1, Arrays.mismatch(LinuxDiskTest.numbered(BLOCKS), Files.readAllBytes(image)));
  }

  private static RecordedGuest linux(RecordedGuest.Driver driver) throws Exception {
    return RecordedLinuxTest.linux(driver);
  }

  /** As users have it: what single steps cost a Linux on a busy host is no matter of its disk. */
  private static RecordedGuest.Recording record(RecordedGuest guest) throws Exception {
    RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.NONE));
    assertEquals(new RunResult.ExitPort(0), recording.how(), recording.console());
    return recording;
  }

  /** The guest's check reads every block back and compares, after the remount. */
  private static void workOnFileSystem(LiveConsole console) throws Exception {
    console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
    answer(console, "mount /dev/vda /mnt");
    answer(console, "fill /mnt/numbers " + BLOCKS);
    answer(console, "write /mnt/word lockstep");
    answer(console, "umount /mnt");
    answer(console, "mount /dev/vda /mnt");
    String checked = answer(console, "check /mnt/numbers " + BLOCKS);
    assertTrue(checked.contains("check " + BLOCKS + " blocks"), checked);
    String word = answer(console, "cat /mnt/word");
    assertTrue(word.contains("lockstep"), word);
    answer(console, "umount /mnt");
    console.type("poweroff\n");
  }

  private static String answer(LiveConsole console, String command) throws Exception {
    int from = console.transcript().length();
    console.type(command + "\n");
    console.await(ConsoleSession.PROMPT, ANSWER_LIMIT_SECONDS);
    return console.transcript().substring(from);
  }

  private Path ext2Image() throws Exception {
    Path image = directory.resolve("ext2.img");
    FileDisk.create(image, IMAGE_BYTES);
    assumeTrue(
        run("mke2fs", "-q", "-F", "-t", "ext2", image.toString()) == 0,
        "no mke2fs on this host: apt-get install e2fsprogs");
    return image;
  }

  private static void checkAndRemove(Path image) throws Exception {
    assertEquals(0, run("e2fsck", "-f", "-n", image.toString()), "the file system is not clean");
    Files.delete(image);
  }

  private static int run(String... command) throws InterruptedException {
    try {
      return new ProcessBuilder(List.of(command))
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .start()
          .waitFor();
    } catch (IOException e) {
      return -1; // no such program
    }
  }
}
