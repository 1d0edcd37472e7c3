package lockstep.replay.ft;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.replay.ft.peer.VitalLoop;
import lockstep.sys.Scheduler;

/**
 * Bounds how often a backup that goes astray gets the state anew: one that always does would cost
 * the guest's time for ever and never protect it. Loop thread only.
 */
final class Resyncs {
  private static final int MOST = 3;

  /** The backup has to take its machine apart first. */
  private static final long AFTER_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final long WITHIN_NANOS = TimeUnit.MINUTES.toNanos(10);

  private final Scheduler host;
  private final ArrayDeque<Long> triedNanos = new ArrayDeque<>();

  Resyncs(Scheduler host) {
    this.host = host;
  }

  /** Copies the state. */
  interface Copy {
    /** Returns when the copy has begun. */
    void begin() throws IOException, InterruptedException;
  }

  /**
   * Has the state copied anew in a moment, unless that was tried too often.
   *
   * @param loop whose thread this is
   * @param notes takes a line for the user when nothing comes of it
   */
  void plan(VitalLoop loop, Copy copy, Consumer<String> notes) {
    if (!mayTry(host.nanoTime())) {
      notes.accept("no resync: the backup has diverged too often; see lockstep protect");
      return;
    }
    Runnable again = () -> host.spawn(() -> begin(copy, notes));
    if (loop.later(again, AFTER_NANOS).isCancelled()) {
      notes.accept("no resync: this side is closed");
    }
  }

  private static void begin(Copy copy, Consumer<String> notes) {
    try {
      copy.begin();
    } catch (IOException e) {
      notes.accept("no resync: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whether one more is worth it now; counts it if so. */
  private boolean mayTry(long nowNanos) {
    while (!triedNanos.isEmpty() && nowNanos - triedNanos.element() > WITHIN_NANOS) {
      triedNanos.remove();
    }
    if (triedNanos.size() >= MOST) {
      return false;
    }
    triedNanos.add(nowNanos);
    return true;
  }
}
