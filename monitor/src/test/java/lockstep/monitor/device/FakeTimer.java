package lockstep.monitor.device;

import lockstep.monitor.input.GuestClock;
import lockstep.monitor.input.TimerPort;

/** A clock that a test sets, counting its readings, and the deadline a device armed. */
final class FakeTimer implements GuestClock, TimerPort {
  long nowNanos;
  long deadlineNanos = NEVER;
  int readings;

  @Override
  public long nowNanos() {
    readings++;
    return nowNanos;
  }

  @Override
  public void arm(long deadline) {
    deadlineNanos = deadline;
  }
}
