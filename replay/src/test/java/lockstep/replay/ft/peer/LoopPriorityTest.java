package lockstep.replay.ft.peer;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.sys.HostScheduler;
import org.junit.jupiter.api.Test;

class LoopPriorityTest {
  private static final FtTimes TIMES = FtTimes.of(200);
  private static final long MINUTE = TimeUnit.MINUTES.toNanos(1);

  private boolean urgent;
  private long now;
  private final LoopPriority priority =
      new LoopPriority(
          new HostScheduler() {
            @Override
            public long steadyNanos() {
              return now;
            }

            @Override
            public boolean urgent(boolean on) {
              urgent = on;
              return true;
            }
          },
          TIMES,
          0);

  private void ticks(long forNanos) {
    for (long until = now + forNanos; now < until; ) {
      tick(TIMES.beatNanos());
    }
  }

  private void tick(long after) {
    now += after;
    priority.tick(now);
    priority.in(FtState.PROTECTED);
  }

  @Test
  void threadIsOrdinaryWhileItsTicksComeInTime() {
    ticks(MINUTE);
    assertFalse(urgent);
  }

  @Test
  void lateTickMakesItUrgentForAMinute() {
    ticks(MINUTE);
    tick(TIMES.beatNanos() * 3 / 2);
    assertTrue(urgent);
    ticks(MINUTE / 2);
    assertTrue(urgent);
    ticks(MINUTE);
    assertFalse(urgent);
  }

  @Test
  void anotherLateTickBeginsTheMinuteAnew() {
    tick(TIMES.beatNanos() * 2);
    ticks(MINUTE * 3 / 4);
    tick(TIMES.beatNanos() * 2);
    ticks(MINUTE * 3 / 4);
    assertTrue(urgent);
  }

  @Test
  void busyHostDoesNotHurryTheCopyOfAState() {
    tick(TIMES.beatNanos() * 2);
    priority.in(FtState.RECEIVING);
    assertFalse(urgent);
    priority.in(FtState.FOLLOWING);
    assertTrue(urgent);
  }
}
