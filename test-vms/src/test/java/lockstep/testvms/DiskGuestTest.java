package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.FileDisk;
import lockstep.storage.SharedDisk;
import lockstep.testing.KvmRequired;
import lockstep.testing.LoopDevice;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The disk without an operating system: every request alone, each with its interrupt. */
@KvmRequired
class DiskGuestTest {
  private static final int BLOCKS = 64;
  private static final int IMAGE_BYTES = 1 << 20;

  @TempDir private Path directory = Path.of("");

  /** The real backends; the replay must not need what was behind the disk. */
  private void reachesMediumAndReplaysWithout(DiskSpec spec, Path path, AutoCloseable behind)
      throws Exception {
    RecordedGuest guest;
    RecordedGuest.Recording recording;
    try (behind;
        SharedDisk disk = SharedDisk.open(spec, BlockDisk.Use.ALONE)) {
      guest = RecordedGuest.of(Guests.find("disk").orElseThrow()).withDisk(disk.medium());
      recording = guest.record(RecordOptions.of(StepReach.KERNEL));
    }
    assertEquals(new RunResult.ExitPort(0), recording.how(), recording.console());
    byte[] expected = Arrays.copyOf(LinuxDiskTest.numbered(BLOCKS), IMAGE_BYTES);
    assertEquals(-1, Arrays.mismatch(expected, Files.readAllBytes(path)));
    Files.delete(path);
    RecordReplayTest.assertReplays(guest, recording);
  }

  private Path image() throws Exception {
    Path path = directory.resolve("disk.img");
    FileDisk.create(path, IMAGE_BYTES);
    return path;
  }

  @Test
  void numberedBlocksReachAFile() throws Exception {
    Path path = image();
    reachesMediumAndReplaysWithout(new DiskSpec.File(path), path, () -> {});
  }

  @Test
  void numberedBlocksReachABlockDevice() throws Exception {
    Path path = image();
    LoopDevice loop = LoopDevice.over(path);
    reachesMediumAndReplaysWithout(new DiskSpec.Device(loop.path()), path, loop);
  }

  @Test
  void numberedBlocksReachAnIscsiTarget() throws Exception {
    Path path = image();
    Tgtd tgtd = Tgtd.start(path);
    reachesMediumAndReplaysWithout(DiskSpec.parse("iscsi:" + tgtd.address(1, "")), path, tgtd);
  }

  @Test
  void numberedBlocksReachTheImageAndComeBack() throws Exception {
    Path path = directory.resolve("disk.img");
    try (ImageFile image = new ImageFile(path, IMAGE_BYTES)) {
      RecordedGuest guest = RecordedGuest.of(Guests.find("disk").orElseThrow()).withDisk(image);
      RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.KERNEL));
      assertEquals(new RunResult.ExitPort(0), recording.how(), recording.console());
      assertEquals("disk: 64 blocks written and read back, 0 wrong words\r\n", recording.console());
      byte[] expected = Arrays.copyOf(LinuxDiskTest.numbered(BLOCKS), IMAGE_BYTES);
      assertEquals(-1, Arrays.mismatch(expected, Files.readAllBytes(path)));
      Files.delete(path);
      RecordReplayTest.assertReplays(guest, recording);
    }
  }
}
