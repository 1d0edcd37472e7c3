package lockstep.replay.ft.peer;

import java.util.concurrent.TimeUnit;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.sys.Scheduler;

/**
 * Gives the loop's thread real-time priority while a pair stands and the host is busy. A heartbeat
 * that is late is a host that is lost, so one tick that comes late is enough. On a host with idle
 * CPUs the priority gains nothing and costs throughput: the thread would take the CPU from the vCPU
 * for each single entry and each single acknowledgement, instead of for some together.
 *
 * <p>Loop thread only.
 */
public final class LoopPriority {
  /** A host that was busy a minute ago may be so again. */
  private static final long KEPT_NANOS = TimeUnit.MINUTES.toNanos(1);

  /** Of the time between two ticks: far above a timer's own delay, far below the time-out. */
  private static final int LATE_FRACTION = 4;

  private final Scheduler host;
  private final long beatNanos;
  private long tickNanos;
  private long lateNanos;
  private boolean wasLate;
  private boolean urgent;

  /** An ordinary thread, whose ticks are still to come. */
  public LoopPriority(Scheduler host, FtTimes times, long nowNanos) {
    this.host = host;
    this.beatNanos = times.beatNanos();
    this.tickNanos = nowNanos;
  }

  /** The tick that is due each {@link FtTimes#beatNanos} has come. */
  public void tick(long nowNanos) {
    if (nowNanos - tickNanos > beatNanos + beatNanos / LATE_FRACTION) {
      lateNanos = nowNanos;
      wasLate = true;
    } else if (wasLate && nowNanos - lateNanos > KEPT_NANOS) {
      wasLate = false;
    }
    tickNanos = nowNanos;
  }

  /** Sets the priority that this state calls for. Copying a machine's state waits as others do. */
  public void in(FtState state) {
    boolean stands =
        switch (state) {
          case PROTECTED, FOLLOWING, CATCHING_UP, CLAIMING, TAKING_OVER, HANDING_OVER -> true;
          case WAITING, RECEIVING, ALONE, PAIRING, HALTED, ENDED -> false;
        };
    boolean wanted = stands && wasLate;
    if (wanted != urgent) {
      urgent = wanted;
      boolean unused = host.urgent(wanted);
    }
  }
}
