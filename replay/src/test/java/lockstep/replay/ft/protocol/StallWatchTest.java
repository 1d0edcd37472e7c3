package lockstep.replay.ft.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

/** When something that should move on counts as standing still. */
class StallWatchTest {
  private final StallWatch watch = new StallWatch(100, 10);

  @Test
  void whatMovesNowAndThenIsWell() {
    for (int i = 0; i < 1_000; i++) {
      assertEquals(Optional.empty(), watch.tick(i / 5, false, 10));
    }
  }

  @Test
  void whatStandsIsToldOfOnceAndAgainAfterItHasMoved() {
    for (int round = 1; round <= 2; round++) {
      assertEquals(Optional.empty(), watch.tick(round, false, 10));
      for (int i = 0; i < 9; i++) {
        assertEquals(Optional.empty(), watch.tick(round, false, 10), "tick " + i);
      }
      assertTrue(watch.isSuspicious());
      assertEquals(Optional.of(100L), watch.tick(round, false, 10));
      assertEquals(Optional.empty(), watch.tick(round, false, 10));
    }
  }

  /** The side may have had nobody else when it was told of first. */
  @Test
  void whatStandsOnIsToldOfAgain() {
    int told = 0;
    for (int i = 0; i < 35; i++) {
      told += watch.tick(0, false, 10).isPresent() ? 1 : 0;
    }
    assertEquals(3, told);
  }

  @Test
  void whatMayStandDoesSoForAsLongAsItLikes() {
    for (int i = 0; i < 1_000; i++) {
      assertEquals(Optional.empty(), watch.tick(0, true, 10));
    }
    assertFalse(watch.isSuspicious());
  }

  /** SIGSTOP, or a host that was suspended: none of its threads stood still by itself. */
  @Test
  void processThatWasStoppedAsAWholeIsNotBlamedOnOneThread() {
    for (int i = 0; i < 9; i++) {
      assertEquals(Optional.empty(), watch.tick(0, false, 1_000_000));
    }
  }
}
