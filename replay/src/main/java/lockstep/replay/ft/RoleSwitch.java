package lockstep.replay.ft;

import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.output.OutputSink;
import lockstep.sys.SysException;

/**
 * The one door of a machine whose role changes: what stands behind it is exchanged between two runs
 * or, where it stays the same, the machine is paused. Owned by the vCPU thread, but for pausing.
 */
public final class RoleSwitch implements InputSource, OutputSink, DiskSink {
  private static final long PAUSE_SLICE_NANOS = 100_000_000L;

  /** A role: where inputs come from and outputs go to. */
  public record Role(InputSource inputs, OutputSink console, DiskSink disk) {}

  private Role role;
  private volatile boolean paused;

  /** A switch in its first role. */
  public RoleSwitch(Role first) {
    this.role = first;
  }

  /** Takes another role; between two runs. */
  public void become(Role next) {
    role = next;
  }

  /** Holds the machine at its next stop, or lets it go on. Any thread; kick the machine after. */
  public void pause(boolean on) {
    paused = on;
  }

  /** Whether the machine is to stand still. */
  public boolean isPaused() {
    return paused;
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    while (paused) {
      LockSupport.parkNanos(this, PAUSE_SLICE_NANOS);
      if (Thread.interrupted()) {
        throw new InterruptedException("vCPU thread told to end");
      }
    }
    return role.inputs().next(position);
  }

  @Override
  public ExternalInput input() {
    return role.inputs().input();
  }

  @Override
  public long nowNanos() {
    return role.inputs().nowNanos();
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    role.inputs().armTimer(timer, deadlineNanos);
  }

  @Override
  public void delivered(int vector) {
    role.inputs().delivered(vector);
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    role.inputs().guestExit(exit, address, sizeBytes, data);
  }

  @Override
  public void consoleByte(int value) {
    role.console().consoleByte(value);
  }

  @Override
  public void request(BlockRequest request) {
    role.disk().request(request);
  }
}
