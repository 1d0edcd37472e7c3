package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The disk without an operating system: every request alone, each with its interrupt. */
@KvmRequired
class DiskGuestTest {
  private static final int BLOCKS = 64;
  private static final int IMAGE_BYTES = 1 << 20;

  @TempDir private Path directory = Path.of("");

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
