package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogEntry.Kind;
import lockstep.replay.playback.Divergence;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Placement counter on this host's KVM, with a counter made of single steps: a guest that makes no
 * exits gets its interrupts where the host stops it, and a replay finds these places again.
 */
@KvmRequired
class CounterPlacementTest {
  /** The recorder's: no point may be nearer behind a delivery than the replayer's margin. */
  private static final long WIDEST_MARGIN = 40;

  /** The stepped guest makes 10 to 50 jumps between two interrupts. */
  private static final List<Long> MARGINS = List.of(0L, 1L, 3L, 6L, WIDEST_MARGIN);

  private static final long EARLY = 3;
  private static final long SEED = System.nanoTime();
  private static final RecordedGuest TICKS = RecordedGuest.of(Guests.find("ticks").orElseThrow());

  private static RecordedGuest.Recording recording =
      new RecordedGuest.Recording(new lockstep.monitor.vcpu.RunResult.Stopped(), "", List.of());

  @BeforeAll
  static void record() throws Exception {
    System.out.println("CounterPlacementTest seed " + SEED);
    SteppedCounter counter = new SteppedCounter(new Random(SEED), WIDEST_MARGIN, 0, 0);
    recording = TICKS.record(onlyCounter(), counter, counter::before);
    System.out.println("recorded with " + counter.steps() + " steps");
  }

  /** Neither steps nor state-sync: what is between exits is the counter's. */
  private static RecordOptions onlyCounter() {
    RecordOptions usual = RecordOptions.of(StepReach.NONE);
    return new RecordOptions(
        StepReach.NONE,
        usual.timePerStepTime(),
        false,
        usual.maxInputDelayNanos(),
        usual.machineDigestNanos(),
        1);
  }

  private static long counterPoints() {
    return recording.entries().stream()
        .filter(
            entry ->
                entry instanceof LogEntry.Point point
                    && point.at() instanceof ExecutionPoint.Counter)
        .count();
  }

  @Test
  void aLoopWithoutExitsIsInterruptedByTheCounterAndReplaysWithEqualDigests() throws Exception {
    assertTrue(counterPoints() >= 10, counterPoints() + " points of the counter");
    long stops = 0;
    for (long margin : MARGINS) {
      SteppedCounter counter =
          new SteppedCounter(new Random(SEED + margin), margin, -EARLY, margin);
      RecordedGuest.Replay replay = TICKS.replay(recording.entries(), counter);
      if (replay.outcome() instanceof ReplayOutcome.Diverged diverged) {
        throw new AssertionError("seed " + SEED + ": " + diverged.divergence().report());
      }
      assertInstanceOf(ReplayOutcome.Equal.class, replay.outcome());
      assertEquals(recording.console(), replay.console());
      stops += counter.stops();
    }
    assertTrue(stops >= 10, stops + " stops by the counter");
  }

  @Test
  void aStopBeyondTheMarginIsADivergence() throws Exception {
    SteppedCounter counter = new SteppedCounter(new Random(SEED), 0, 1, EARLY);
    Divergence found =
        assertInstanceOf(
                ReplayOutcome.Diverged.class,
                TICKS.replay(recording.entries(), counter).outcome(),
                "seed " + SEED)
            .divergence();
    assertEquals(Divergence.Kind.POINT, found.kind());
    assertTrue(found.replayed().startsWith("a stop past it, at count "), found.headline());
    System.out.println(found.headline());
  }

  @Test
  void aReplayWithoutACounterSaysWhy() throws Exception {
    Divergence found =
        assertInstanceOf(ReplayOutcome.Diverged.class, TICKS.replay(recording.entries()).outcome())
            .divergence();
    assertEquals(Divergence.Kind.POINT, found.kind());
    assertTrue(found.replayed().contains("none here"), found.headline());
    assertEquals(1, recording.count(Kind.END));
  }
}
