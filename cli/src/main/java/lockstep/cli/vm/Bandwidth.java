package lockstep.cli.vm;

import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/** How fast a count of bytes has grown in the last seconds. Any thread. */
public final class Bandwidth {
  /** Long enough to smooth bursts, short enough to be about now. */
  static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(5);

  private record Sample(long bytes, long nanos) {}

  private final ArrayDeque<Sample> samples = new ArrayDeque<>();

  /** Takes a reading of the count; about once a second. One that has shrunk begins anew. */
  public synchronized void sample(long bytes, long nanos) {
    if (!samples.isEmpty() && bytes < samples.getLast().bytes()) {
      samples.clear();
    }
    samples.add(new Sample(bytes, nanos));
    // One older than the window stays, so that the whole window counts.
    while (samples.size() > 2 && nanos - samples.getFirst().nanos() > WINDOW_NANOS) {
      samples.remove();
    }
  }

  /** Bytes per second; 0 before two readings. */
  public synchronized long bytesPerSecond() {
    if (samples.size() < 2) {
      return 0;
    }
    Sample first = samples.getFirst();
    Sample last = samples.getLast();
    long nanos = Math.max(1, last.nanos() - first.nanos());
    return (long) ((last.bytes() - first.bytes()) * 1e9 / nanos);
  }
}
