package lockstep.replay.placement;

import java.util.Optional;
import lockstep.kvm.PerfCounter;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * A counter of the host's PMU, opened by the first thread that starts it: perf counts threads.
 * Unverified on hardware.
 */
public final class PmuCounter implements InstructionCounter {
  private final PerfCounter.Event event;
  private final long skidMargin;
  private @Nullable PerfCounter open;

  /** The count of {@link #open} when this one was started; INEXACT if that was not exact. */
  private long base;

  private boolean stopAsked;

  /**
   * @param event one that passed {@code PmuSelfTest} on this host
   * @param skidMargin see {@link #skidMargin()}
   */
  public PmuCounter(PerfCounter.Event event, long skidMargin) {
    this.event = event;
    this.skidMargin = skidMargin;
  }

  @Override
  public Optional<String> missing() {
    return Optional.empty();
  }

  @Override
  public void start() throws SysException {
    if (open == null || stopAsked) {
      opened().start();
      base = 0;
      stopAsked = false;
    } else {
      // One system call instead of four, at every exit: the guest does not run, so nothing counts.
      base = open.read();
    }
  }

  @Override
  public void startAndStopAfter(long count) throws SysException {
    opened().start(count);
    base = 0;
    stopAsked = true;
  }

  private PerfCounter opened() throws SysException {
    PerfCounter counter = open;
    if (counter == null) {
      counter = PerfCounter.open(event);
      open = counter;
    }
    return counter;
  }

  @Override
  public long read() throws SysException {
    if (open == null || base == INEXACT) {
      return INEXACT;
    }
    long count = open.read();
    return count == PerfCounter.INEXACT ? INEXACT : count - base;
  }

  @Override
  public long skidMargin() {
    return skidMargin;
  }

  @Override
  public void close() {
    if (open != null) {
      open.close();
      open = null;
    }
  }
}
