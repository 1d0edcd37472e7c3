package lockstep.testvms;

import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.TimerPort;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.input.VcpuPosition.Stop;
import lockstep.sys.SysException;

/**
 * Keeps each expiry of the PIT back until the guest stands at a certain exit with interrupts off,
 * and has the guest wait there until the expiry is due. So it is the guest's exits alone that say
 * where the ticks come, however fast the host is. The first comes when a certain port is read for
 * the first time, the others at one of the next exits, another one each time. A guest in HLT gets
 * its expiry as soon as it is due.
 */
final class TicksWhileMasked extends PassedOn {
  /** Some more than the guest has in a row, and prime: the ticks come at all of them in turn. */
  private static final int MOST_SKIPPED = 7;

  private final int firstPort;
  private long deadlineNanos = TimerPort.NEVER;

  /** The guest stands at an exit that was not looked at yet. */
  private boolean atNewExit;

  private boolean atFirstPort;
  private int ticks;
  private int skipped;
  private long readingNanos;
  private long readAtHostNanos = System.nanoTime();

  /**
   * @param real where the expiries go, once they may
   * @param firstPort reading it is the exit of the first tick
   */
  TicksWhileMasked(InputSource real, int firstPort) {
    super(real);
    this.firstPort = firstPort;
  }

  @Override
  public void armTimer(int timer, long newDeadlineNanos) {
    if (timer == MachineLayout.TIMER_PIT) {
      deadlineNanos = newDeadlineNanos;
      super.armTimer(timer, TimerPort.NEVER);
    } else {
      super.armTimer(timer, newDeadlineNanos);
    }
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    if (deadlineNanos != TimerPort.NEVER && (position.halted() || isTurnOf(position))) {
      ticks++;
      skipped = 0;
      super.armTimer(MachineLayout.TIMER_PIT, deadlineNanos);
      deadlineNanos = TimerPort.NEVER;
    }
    return super.next(position);
  }

  private boolean isTurnOf(VcpuPosition position) {
    if (position.stop() != Stop.GUEST_EXIT || position.interruptsEnabled() || !atNewExit) {
      return false;
    }
    atNewExit = false;
    if (ticks == 0 ? !atFirstPort : skipped++ < ticks % MOST_SKIPPED) {
      return false;
    }
    for (long left = remainingNanos(); left > 0; left = remainingNanos()) {
      LockSupport.parkNanos(left); // a tick's time at most: the guest must not get past this place
    }
    return true;
  }

  /** Until the deadline is over for certain: the clock may be later than its last reading says. */
  private long remainingNanos() {
    return deadlineNanos - (readingNanos + (System.nanoTime() - readAtHostNanos));
  }

  @Override
  public long nowNanos() {
    readingNanos = super.nowNanos();
    readAtHostNanos = System.nanoTime();
    return readingNanos;
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    atNewExit = true;
    atFirstPort = exit == GuestExit.PORT_IN && address == firstPort;
    super.guestExit(exit, address, sizeBytes, data);
  }
}
