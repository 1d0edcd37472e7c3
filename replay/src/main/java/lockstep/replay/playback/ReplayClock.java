package lockstep.replay.playback;

import lockstep.sys.Scheduler;

/** The guest clock of a replay: what the log said last, paced by the host's clock if asked to. */
final class ReplayClock {
  private final Scheduler host;
  private final long startNanos;
  private final boolean realTime;
  private long nanos;
  private long hostStartNanos;

  ReplayClock(Scheduler host, long startNanos, boolean realTime) {
    this.host = host;
    this.startNanos = startNanos;
    this.realTime = realTime;
    this.nanos = startNanos;
  }

  /** The guest is about to run for the first time. */
  void start(long hostNanos) {
    hostStartNanos = hostNanos;
  }

  long nanos() {
    return nanos;
  }

  /** Goes on to what the log says; in real time, waits while that is ahead of the host. */
  void advanceTo(long recordedNanos) {
    nanos = Math.max(nanos, recordedNanos);
    if (realTime) {
      long ahead = nanos - startNanos - (host.nanoTime() - hostStartNanos);
      if (ahead > 0) {
        host.park(this, ahead);
      }
    }
  }
}
