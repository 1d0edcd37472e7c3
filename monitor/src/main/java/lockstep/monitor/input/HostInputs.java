package lockstep.monitor.input;

import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.state.Bytes;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * Where a live machine's inputs come from: the host's clock, the timers that devices armed, and
 * what other threads put into the queue. When an input becomes due is this class's matter; at which
 * execution point it is applied is that of the InputSource around it.
 *
 * <p>Owned by the vCPU thread.
 */
public final class HostInputs implements GuestClock {
  /** One wait in HLT at most; only bounds the damage of a lost wake-up, of which none is known. */
  private static final long WAIT_SLICE_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Scheduler host;
  private final InputQueue queue;
  private final WakeTimer wakeTimer;
  private final ArrayDeque<ExternalInput> givenBack = new ArrayDeque<>();
  private final long[] deadlineNanos;
  private final long originHostNanos;
  private final long startNanos;
  private final int slowdown;
  private long nextDeadlineNanos = TimerPort.NEVER;

  /**
   * @param queue inputs from other threads
   * @param timers how many timers the machine has
   * @param startNanos what the guest clock shows now: 0 for a new machine
   * @param wakeTimer kicks the vCPU out of the guest at a deadline
   */
  public HostInputs(InputQueue queue, int timers, long startNanos, WakeTimer wakeTimer) {
    this(Scheduler.HOST, queue, timers, startNanos, wakeTimer, 1);
  }

  /** The same by another host's clock. */
  public HostInputs(
      Scheduler host, InputQueue queue, int timers, long startNanos, WakeTimer wakeTimer) {
    this(host, queue, timers, startNanos, wakeTimer, 1);
  }

  /**
   * The same with a clock that is slow, for guests whose timer interrupts would come faster than
   * this host's KVM can handle them.
   *
   * @param slowdown host nanoseconds for each of the guest's; 1 or more
   */
  public HostInputs(
      InputQueue queue, int timers, long startNanos, WakeTimer wakeTimer, int slowdown) {
    this(Scheduler.HOST, queue, timers, startNanos, wakeTimer, slowdown);
  }

  private HostInputs(
      Scheduler host,
      InputQueue queue,
      int timers,
      long startNanos,
      WakeTimer wakeTimer,
      int slowdown) {
    if (slowdown < 1) {
      throw new IllegalArgumentException("slowdown " + slowdown + " is below 1");
    }
    this.host = host;
    this.queue = queue;
    this.wakeTimer = wakeTimer;
    this.deadlineNanos = new long[timers];
    Arrays.fill(deadlineNanos, TimerPort.NEVER);
    this.originHostNanos = host.nanoTime();
    this.startNanos = startNanos;
    this.slowdown = slowdown;
  }

  @Override
  public long nowNanos() {
    return startNanos + (host.nanoTime() - originHostNanos) / slowdown;
  }

  /** When the guest clock shows that much, by the host's. */
  private long hostNanos(long guestNanos) {
    return originHostNanos + (guestNanos - startNanos) * slowdown;
  }

  /** Takes inputs back that were not applied; they are due at once, in this order. */
  public void giveBack(Collection<ExternalInput> inputs) {
    givenBack.addAll(inputs);
  }

  /**
   * The inputs that wait here, oldest first; they stay. Not the timers, nor the host's decisions.
   */
  public List<ExternalInput> waiting() {
    List<ExternalInput> waiting = new ArrayList<>(givenBack);
    waiting.addAll(queue.waiting());
    return waiting;
  }

  /** Takes the oldest queued input, else the first expired timer, or null when none is due. */
  public @Nullable ExternalInput due() {
    ExternalInput earlier = givenBack.poll();
    ExternalInput queued = earlier != null ? earlier : queue.poll();
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

  /**
   * Waits until an input is due, or for a bounded while.
   *
   * @throws InterruptedException when the vCPU thread is told to end
   */
  public void await() throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException("vCPU thread interrupted");
    }
    long untilDeadline =
        nextDeadlineNanos == TimerPort.NEVER
            ? WAIT_SLICE_NANOS
            : hostNanos(nextDeadlineNanos) - host.nanoTime();
    if (untilDeadline > 0) {
      host.park(this, Math.min(untilDeadline, WAIT_SLICE_NANOS));
    }
  }

  /** See {@link InputSource#armTimer}. */
  public void armTimer(int timer, long newDeadlineNanos) {
    deadlineNanos[timer] = newDeadlineNanos;
    long earliest = TimerPort.NEVER;
    for (long deadline : deadlineNanos) {
      earliest = Math.min(earliest, deadline);
    }
    if (earliest != nextDeadlineNanos) {
      nextDeadlineNanos = earliest;
      wakeTimer.wakeAt(earliest == TimerPort.NEVER ? Long.MAX_VALUE : hostNanos(earliest));
    }
  }

  /** Random bytes of this host, see {@link EntropySource}. */
  public Bytes entropy(int count) {
    byte[] bytes = new byte[count];
    Entropy.RANDOM.nextBytes(bytes);
    return Bytes.copyOf(bytes);
  }

  /** Made when a guest first asks. */
  private static final class Entropy {
    static final SecureRandom RANDOM = new SecureRandom();
  }
}
