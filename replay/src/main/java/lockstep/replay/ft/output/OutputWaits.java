package lockstep.replay.ft.output;

import java.util.Arrays;

/** How long outputs waited for the backup, of late. Any thread. */
public final class OutputWaits {
  /** A screenful: enough for a p99, and never more than the last moments. */
  private static final int KEPT = 2_048;

  private final long[] nanos = new long[KEPT];
  private long count;

  /**
   * What the last outputs waited.
   *
   * @param count outputs that have waited and left, in all
   * @param p50Nanos of the last of them
   * @param p99Nanos of the last of them
   */
  public record Summary(long count, long p50Nanos, long p99Nanos) {}

  synchronized void add(long waitedNanos) {
    nanos[(int) (count % KEPT)] = waitedNanos;
    count++;
  }

  /** As of now; zeros when no output has waited. */
  public synchronized Summary summary() {
    int length = (int) Math.min(count, KEPT);
    if (length == 0) {
      return new Summary(0, 0, 0);
    }
    long[] sorted = Arrays.copyOf(nanos, length);
    Arrays.sort(sorted);
    return new Summary(count, sorted[length / 2], sorted[(int) (length * 0.99)]);
  }
}
