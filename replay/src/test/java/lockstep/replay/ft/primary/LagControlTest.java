package lockstep.replay.ft.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** How a primary is slowed. */
class LagControlTest {
  private static final long STEP = 100_000_000L;

  @Test
  void aLaggingBackupSlowsThePrimaryBitByBitAndReleasesIt() {
    LagControl control = new LagControl();
    control.report(LagControl.BOUND_NANOS / 2, 0);
    assertEquals(0, control.pausedPart());
    for (int i = 1; i <= 4; i++) {
      control.report(2 * LagControl.BOUND_NANOS, i * STEP);
      assertEquals(0.05 * i, control.pausedPart(), 1e-9);
    }
    for (int i = 5; i <= 8; i++) {
      control.report(0, i * STEP);
    }
    assertEquals(0, control.pausedPart(), 1e-9);
  }

  @Test
  void thePrimaryIsNeverStoppedWhollyAndManyReportsCountOnce() {
    LagControl control = new LagControl();
    for (int i = 0; i < 1_000; i++) {
      control.report(Long.MAX_VALUE, i * STEP);
    }
    assertTrue(control.pausedPart() <= 0.9);
    LagControl other = new LagControl();
    for (int i = 0; i < 50; i++) {
      other.report(Long.MAX_VALUE, i);
    }
    assertEquals(0.05, other.pausedPart(), 1e-9);
  }
}
