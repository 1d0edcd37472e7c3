package lockstep.testvms;

import java.util.Arrays;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.TimerExpiry;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.TimerPort;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;

/**
 * An InputSource whose clock is a function of what the guest did, and which stops the machine at a
 * chosen question. With guests that make exits, two runs are equal to the last bit, wherever they
 * are stopped.
 */
final class StoppableInputs implements InputSource {
  private static final long NANOS_PER_READING = 300;
  private static final long NANOS_PER_EXIT = 2_000;

  private final long[] deadlines = new long[MachineLayout.TIMERS];
  private long clockNanos;
  private long stopAtExits = Long.MAX_VALUE;
  private long exits;
  private long lastPortRead;
  private GuestExit lastExit = GuestExit.HALT;
  private ExternalInput current = new TimerExpiry(0, 0);

  StoppableInputs(long clockNanos) {
    this.clockNanos = clockNanos;
    Arrays.fill(deadlines, TimerPort.NEVER);
  }

  void stopAtExits(long exits) {
    stopAtExits = exits;
  }

  /** What the guest did last. */
  GuestExit lastExit() {
    return lastExit;
  }

  /** Which of the exits that passed here was the last port read; the first exit is number 1. */
  long lastPortRead() {
    return lastPortRead;
  }

  /** The clock without a reading. */
  long clockNanos() {
    return clockNanos;
  }

  @Override
  public Action next(VcpuPosition position) {
    if (position.guestExits() >= stopAtExits) {
      return Action.STOP;
    }
    for (int timer = 0; timer < deadlines.length; timer++) {
      if (deadlines[timer] <= clockNanos) {
        deadlines[timer] = TimerPort.NEVER;
        current = new TimerExpiry(timer, clockNanos);
        return Action.APPLY;
      }
    }
    return position.interruptPending() && position.canTakeInterrupt() ? Action.DELIVER : Action.RUN;
  }

  @Override
  public ExternalInput input() {
    return current;
  }

  @Override
  public void delivered(int vector) {
    // The next exit's digest would show it.
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    deadlines[timer] = deadlineNanos;
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    lastExit = exit;
    exits++;
    if (exit == GuestExit.PORT_IN) {
      lastPortRead = exits;
    }
    clockNanos += NANOS_PER_EXIT;
  }

  @Override
  public long nowNanos() {
    clockNanos += NANOS_PER_READING;
    return clockNanos;
  }

  @Override
  public Bytes entropy(int count) {
    return Bytes.copyOf(new byte[count]);
  }
}
