package lockstep.replay.ft.primary;

import java.util.concurrent.TimeUnit;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.log.EntrySink;
import lockstep.replay.log.LogEntry;

/**
 * A primary's log on its way out: entries leave together, at the latest some milliseconds of the
 * guest clock later, and at once when an output waits for them. vCPU thread only.
 */
final class PrimaryLog implements EntrySink {
  /** Few enough frames to cost nothing, and a backup that is as good as up to date. */
  private static final long GATHER_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  private final EntryFramer framer;
  private long flushedAtNanos;

  PrimaryLog(EntryFramer framer) {
    this.framer = framer;
  }

  @Override
  public void clock(long nanos) {
    framer.clock(nanos);
    if (nanos - flushedAtNanos > GATHER_NANOS) {
      flushedAtNanos = nanos;
      framer.flush();
    }
  }

  @Override
  public void append(LogEntry entry) {
    framer.append(entry);
  }

  /** Sends what there is; returns its position, for an output that waits for it. */
  long sendAll() {
    framer.flush();
    return framer.position();
  }
}
