package lockstep.monitor;

import java.util.Arrays;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.TimerPort;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;

/** A clock that a test sets and the deadlines that devices armed; no vCPU asks it anything. */
final class ScriptedInputs implements InputSource {
  long nowNanos;
  long readings;
  int entropies;
  final long[] deadlines = new long[MachineLayout.TIMERS];

  ScriptedInputs() {
    Arrays.fill(deadlines, TimerPort.NEVER);
  }

  @Override
  public long nowNanos() {
    readings++;
    return nowNanos;
  }

  @Override
  public Bytes entropy(int count) {
    byte[] bytes = new byte[count];
    Arrays.fill(bytes, (byte) ++entropies);
    return Bytes.copyOf(bytes);
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    deadlines[timer] = deadlineNanos;
  }

  /** Gives the devices every expiry that is due. */
  void expire(Devices devices) {
    for (int timer = 0; timer < deadlines.length; timer++) {
      if (deadlines[timer] <= nowNanos) {
        deadlines[timer] = TimerPort.NEVER;
        devices.timerExpired(new ExternalInput.TimerExpiry(timer, nowNanos));
      }
    }
  }

  @Override
  public Action next(VcpuPosition position) {
    return Action.STOP;
  }

  @Override
  public ExternalInput input() {
    return new ExternalInput.HostDecision(ExternalInput.Decision.STOP);
  }

  @Override
  public void delivered(int vector) {
    // No vCPU takes it.
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    // No vCPU makes any.
  }
}
