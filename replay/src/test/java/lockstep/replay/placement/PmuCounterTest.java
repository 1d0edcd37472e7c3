package lockstep.replay.placement;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import lockstep.kvm.PerfCounter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The perf_event_open path with a software counter, which every host has: CPU time. */
@Timeout(60)
class PmuCounterTest {
  private static final long SPIN_NANOS = 20_000_000;

  private static void spin() {
    long end = System.nanoTime() + SPIN_NANOS;
    while (System.nanoTime() < end) {
      Thread.onSpinWait();
    }
  }

  @Test
  void everyStartCountsFromZeroAgainAlsoWhereTheCounterRunsOn() throws Exception {
    try (PmuCounter counter = new PmuCounter(PerfCounter.Event.TASK_CLOCK, 7)) {
      assertEquals(InstructionCounter.INEXACT, counter.read(), "not started");
      assertEquals(7, counter.skidMargin());
      assertTrue(counter.missing().isEmpty());
      counter.start();
      spin();
      long first = counter.read();
      assertTrue(first > 0, "count " + first);
      counter.start();
      long again = counter.read();
      assertTrue(again >= 0 && again < first, first + ", then " + again);
      counter.startAndStopAfter(Long.MAX_VALUE / 2);
      long armed = counter.read();
      assertTrue(armed >= 0 && armed < first, first + ", then " + armed);
      counter.start();
      spin();
      assertTrue(counter.read() > 0);
      assertThrows(IllegalArgumentException.class, () -> counter.startAndStopAfter(0));
    }
  }
}
