package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Stream;
import lockstep.replay.log.LogEntry.Kind;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Records every freestanding guest on this host's KVM and replays it with equal digests. */
@KvmRequired
class RecordReplayTest {
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
