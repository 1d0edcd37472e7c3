package lockstep.replay.playback;

import lockstep.monitor.input.WakeTimer;
import lockstep.sys.Scheduler;

/** Has the vCPU kicked now and then, so that a guest that makes no exits any more is noticed. */
final class ProgressWatch {
  /** How often a guest without exits is looked at. */
  private static final long WATCH_NANOS = 1_000_000_000L;

  private final Scheduler host;
  private final WakeTimer timer;
  private long exits = -1;
  private long sinceNanos;
  private long armedNanos;

  ProgressWatch(Scheduler host, WakeTimer timer) {
    this.host = host;
    this.timer = timer;
  }

  /** The guest is about to run for the first time. */
  void start(long nowNanos) {
    sinceNanos = nowNanos;
    armedNanos = nowNanos - WATCH_NANOS;
  }

  /** Looks at a guest that was stopped, and says for how long it has made no exit. */
  long stalledNanos(long guestExits) {
    long now = host.nanoTime();
    if (guestExits != exits) {
      exits = guestExits;
      sinceNanos = now;
    }
    return now - sinceNanos;
  }

  /** A kick can come while the loop is elsewhere and is forgotten then, so it is asked for anew. */
  void arm() {
    long now = host.nanoTime();
    if (now - armedNanos >= WATCH_NANOS) {
      armedNanos = now;
      timer.wakeAt(now + WATCH_NANOS);
    }
  }

  void stop() {
    timer.wakeAt(Long.MAX_VALUE);
  }
}
