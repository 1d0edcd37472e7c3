package lockstep.testvms;

import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;
import lockstep.sys.SysException;

/** Passes everything on to another source; tests override what they plant a fault into. */
abstract class PassedOn implements InputSource {
  private final InputSource real;

  PassedOn(InputSource real) {
    this.real = real;
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    return real.next(position);
  }

  @Override
  public ExternalInput input() {
    return real.input();
  }

  @Override
  public void delivered(int vector) {
    real.delivered(vector);
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    real.armTimer(timer, deadlineNanos);
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    real.guestExit(exit, address, sizeBytes, data);
  }

  @Override
  public Bytes entropy(int count) {
    return real.entropy(count);
  }

  @Override
  public long nowNanos() {
    return real.nowNanos();
  }
}
