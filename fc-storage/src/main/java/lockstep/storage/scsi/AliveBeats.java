package lockstep.storage.scsi;

import java.util.concurrent.TimeUnit;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/** Thread {@code scsi-alive}: shows the unit again and again that this side lives. */
final class AliveBeats {
  /** How often a VM shows that it is alive, by registering again. */
  private static final long BEAT_MILLIS = 1_000;

  /** Without such a sign for so long the VM that has the disk is dead, or cut off from it. */
  static final long DEAD_MILLIS = 4 * BEAT_MILLIS;

  private final Scheduler time;
  private final Runnable beat;
  private volatile @Nullable Thread thread;
  private volatile boolean closed;

  /**
   * Nothing runs yet.
   *
   * @param beat shows it once
   */
  AliveBeats(Scheduler time, Runnable beat) {
    this.time = time;
    this.beat = beat;
  }

  /** Starts the thread, unless it runs. One thread at a time. */
  void start() {
    if (thread == null) {
      Thread fresh = time.thread("scsi-alive", true, this::run);
      thread = fresh;
      fresh.start();
    }
  }

  private void run() {
    try {
      while (!closed) {
        time.sleep(TimeUnit.MILLISECONDS.toNanos(BEAT_MILLIS));
        beat.run();
      }
    } catch (InterruptedException e) {
      // Closed.
    }
  }

  /** Ends the thread; waits for nothing. */
  void close() {
    closed = true;
    Thread last = thread;
    if (last != null) {
      last.interrupt();
    }
  }
}
