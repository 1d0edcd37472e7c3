package lockstep.monitor.input;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The InputSource of a machine that runs live and unrecorded: the host's clock, its timers, and
 * what other threads put into the queue. Inputs are applied wherever the vCPU happens to stop.
 */
public final class LiveInputs implements InputSource {
  /** One wait in HLT at most; only bounds the damage of a lost wake-up, of which none is known. */
  private static final long WAIT_SLICE_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** Stands for "nothing to apply yet"; never handed out. */
  private static final ExternalInput NONE =
      new ExternalInput.HostDecision(ExternalInput.Decision.STOP);

  private final InputQueue queue;
  private final WakeTimer wakeTimer;
  private final long[] deadlineNanos;
  private final long originHostNanos;
  private long nextDeadlineNanos = TimerPort.NEVER;
  private ExternalInput current = NONE;

  /**
   * @param queue inputs from other threads
   * @param timers how many timers the machine has
   * @param startNanos what the guest clock shows now: 0 for a new machine
   * @param wakeTimer kicks the vCPU out of the guest at a deadline
   */
  public LiveInputs(InputQueue queue, int timers, long startNanos, WakeTimer wakeTimer) {
    this.queue = queue;
    this.wakeTimer = wakeTimer;
    this.deadlineNanos = new long[timers];
    Arrays.fill(deadlineNanos, TimerPort.NEVER);
    this.originHostNanos = System.nanoTime() - startNanos;
  }

  @Override
  public long nowNanos() {
    return System.nanoTime() - originHostNanos;
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException {
    while (true) {
      ExternalInput queued = due();
      if (queued != null) {
        current = queued;
        return Action.APPLY;
      }
      if (position.interruptPending()) {
        if (position.canTakeInterrupt()) {
          return Action.DELIVER;
        }
        if (!position.halted()) {
          return Action.RUN_TO_WINDOW;
        }
      }
      if (!position.halted()) {
        return Action.RUN;
      }
      await();
    }
  }

  private @Nullable ExternalInput due() {
    ExternalInput queued = queue.poll();
    if (queued != null || nextDeadlineNanos == TimerPort.NEVER) {
      return queued;
    }
    long now = nowNanos();
    if (now < nextDeadlineNanos) {
      return null;
    }
    for (int timer = 0; timer < deadlineNanos.length; timer++) {
      if (deadlineNanos[timer] <= now) {
        armTimer(timer, TimerPort.NEVER);
        return new ExternalInput.TimerExpiry(timer, now);
      }
    }
    throw new IllegalStateException("no timer at the next deadline " + nextDeadlineNanos);
  }

  private void await() throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException("vCPU thread told to end");
    }
    long untilDeadline =
        nextDeadlineNanos == TimerPort.NEVER ? WAIT_SLICE_NANOS : nextDeadlineNanos - nowNanos();
    if (untilDeadline > 0) {
      LockSupport.parkNanos(this, Math.min(untilDeadline, WAIT_SLICE_NANOS));
    }
  }

  @Override
  public ExternalInput input() {
    return current;
  }

  @Override
  public void armTimer(int timer, long newDeadlineNanos) {
    deadlineNanos[timer] = newDeadlineNanos;
    long earliest = TimerPort.NEVER;
    for (long deadline : deadlineNanos) {
      earliest = Math.min(earliest, deadline);
    }
    if (earliest != nextDeadlineNanos) {
      nextDeadlineNanos = earliest;
      wakeTimer.wakeAt(earliest == TimerPort.NEVER ? Long.MAX_VALUE : originHostNanos + earliest);
    }
  }

  @Override
  public void delivered(int vector) {
    // Nobody compares vectors when nothing is logged.
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    // Nobody compares exits when nothing is logged.
  }
}
