package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HexFormat;
import java.util.stream.Stream;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.LogEntry.Kind;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Records every freestanding guest on this host's KVM and replays it with equal digests. */
@KvmRequired
class RecordReplayTest {
  private static final long MEMORY_BYTES = 2L << 20;

  static Stream<String> guests() {
    return Guests.all().stream().map(Guest::name);
  }

  @ParameterizedTest
  @MethodSource("guests")
  void aRecordedGuestReplaysWithEqualDigests(String name) throws Exception {
    Guest guest = Guests.find(name).orElseThrow();
    RecordedGuest recorded = RecordedGuest.of(guest);
    RecordedGuest.Recording recording = recorded.record(RecordOptions.of(StepReach.KERNEL));
    assertReplays(recorded, recording);
    if (name.equals("ticks")) {
      assertTrue(recording.count(Kind.DELIVERY) >= 20, "the guest took no timer interrupts");
    }
  }

  /**
   * A string instruction that reaches the exit port has its end found while the recorder looks at
   * registers. Fails if the recorder logs anything after it, or the guest is entered again.
   */
  @Test
  void aGuestThatEndsInAStringInstructionReplays() throws Exception {
    byte[] image = new byte[512];
    // mov dx, 0xf4; mov si, 0x7c00; mov cx, 100; out 0x80, al; rep outsb
    byte[] code = HexFormat.of().parseHex("baf400be007cb96400e680f36e");
    System.arraycopy(code, 0, image, 0, code.length);
    image[510] = 0x55;
    image[511] = (byte) 0xaa;
    RecordedGuest recorded =
        new RecordedGuest(
            _ -> BootImages.load(BootFile.of("outs", image), BootConfig.of(MEMORY_BYTES, "")),
            MEMORY_BYTES,
            _ -> {});
    RecordOptions everyExit =
        new RecordOptions(
            StepReach.KERNEL,
            1,
            true,
            RecordOptions.DEFAULT_MAX_INPUT_DELAY_NANOS,
            RecordOptions.DEFAULT_MACHINE_DIGEST_NANOS,
            1);
    RecordedGuest.Recording recording = recorded.record(everyExit);
    assertEquals(new RunResult.ExitPort(0xba), recording.how());
    assertReplays(recorded, recording);
  }

  static void assertReplays(RecordedGuest recorded, RecordedGuest.Recording recording)
      throws Exception {
    RecordedGuest.Replay replay = recorded.replay(recording.entries());
    if (replay.outcome() instanceof ReplayOutcome.Diverged diverged) {
      throw new AssertionError(diverged.divergence().report());
    }
    assertInstanceOf(ReplayOutcome.Equal.class, replay.outcome());
    assertEquals(recording.console(), replay.console());
    assertTrue(recording.count(Kind.END) == 1);
  }
}
