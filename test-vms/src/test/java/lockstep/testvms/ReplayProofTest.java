package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import lockstep.replay.log.LogEntry.Kind;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Replays are equal not by luck: recordings in a row on a host that delays timers, holds the vCPU
 * up and has other work for every CPU ({@link HostNoise}), while recording and while replaying.
 */
@KvmRequired
class ReplayProofTest {
  private static final int ROUNDS = 20;
  private static final int FEW_ROUNDS = 2;

  /** Kernel code is single-stepped with this one, where KVM can. */
  private static final RecordOptions STEPS = RecordOptions.of(StepReach.KERNEL);

  private static final RecordOptions NO_STEPS = RecordOptions.of(StepReach.NONE);

  static Stream<String> guests() {
    return Guests.all().stream().map(Guest::name);
  }

  @ParameterizedTest
  @MethodSource("guests")
  void aGuestRecordedOnANoisyHostReplaysEqually(String name) throws Exception {
    prove(name, RecordedGuest.of(Guests.find(name).orElseThrow()), STEPS, FEW_ROUNDS);
  }

  @Tag("long")
  @ParameterizedTest
  @MethodSource("guests")
  void twentyInARowReplayEqually(String name) throws Exception {
    RecordedGuest guest = RecordedGuest.of(Guests.find(name).orElseThrow());
    prove(name, guest, NO_STEPS, ROUNDS);
    prove(name + " with steps", guest, STEPS, ROUNDS);
  }

  @Tag("long")
  @Test
  void twentyLinuxSessionsInARowReplayEqually() throws Exception {
    proveLinux("linux", NO_STEPS);
  }

  @Tag("long")
  @Test
  void twentyLinuxSessionsWithStepsInARowReplayEqually() throws Exception {
    proveLinux("linux with steps", STEPS);
  }

  private static void proveLinux(String title, RecordOptions options) throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
    prove(title, RecordedLinuxTest.linux(RecordedLinuxTest::session), options, ROUNDS);
  }

  private static void prove(String title, RecordedGuest guest, RecordOptions options, int rounds)
      throws Exception {
    long firstSeed = System.nanoTime();
    System.out.println("ReplayProofTest " + title + ", seeds from " + firstSeed);
    List<String> failures = new ArrayList<>();
    long deliveries = 0;
    long syncs = 0;
    long start = System.nanoTime();
    for (int round = 0; round < rounds; round++) {
      long seed = firstSeed + round;
      try (HostNoise noise = new HostNoise(seed, Runtime.getRuntime().availableProcessors())) {
        RecordedGuest noisy = guest.on(noise);
        RecordedGuest.Recording recording = noisy.record(options);
        deliveries += recording.count(Kind.DELIVERY);
        syncs += recording.stateSyncs();
        RecordedGuest.Replay replay = noisy.replay(recording.entries());
        System.out.printf(
            "ReplayProofTest %s, round %d after %.0f s: %s%n",
            title,
            round + 1,
            (System.nanoTime() - start) / 1e9,
            replay.outcome() instanceof ReplayOutcome.Equal ? "equal" : "NOT EQUAL");
        if (replay.outcome() instanceof ReplayOutcome.Diverged diverged) {
          failures.add("seed " + seed + ": " + diverged.divergence().report());
        } else if (!(replay.outcome() instanceof ReplayOutcome.Equal)
            || !replay.console().equals(recording.console())) {
          failures.add("seed " + seed + ": " + replay);
        }
      }
    }
    System.out.printf(
        "ReplayProofTest %s: %d of %d equal, %d deliveries, %d state-syncs, %.1f s%n",
        title,
        rounds - failures.size(),
        rounds,
        deliveries,
        syncs,
        (System.nanoTime() - start) / 1e9);
    assertEquals(List.of(), failures);
  }
}
