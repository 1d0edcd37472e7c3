package lockstep.replay.ft.protocol;

import java.util.concurrent.TimeUnit;

/**
 * When a side counts as dead. Both sides of a pair must use the same.
 *
 * @param beatNanos between two heartbeats
 * @param silenceNanos without a heartbeat or a message for so long, the other side is lost
 * @param closedNanos the same when the other side's kernel has closed the channel; a heartbeat that
 *     asks is to be answered within it
 * @param retryNanos between two claims of the disk that got no clear answer
 * @param stallNanos what a side that is heard of may stand still: its vital threads, and the
 *     backup's acknowledgements and replay while there is something to do. Each side has its own.
 */
public record FtTimes(
    long beatNanos, long silenceNanos, long closedNanos, long retryNanos, long stallNanos) {
  /** Far longer than a full collection, a slow disk or a busy host makes a thread wait. */
  public static final long STALL_MILLIS = 10_000;

  /** Time enough for a question and its answer on a LAN. */
  private static final long MAX_CLOSED_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

  private static final long PAIRING_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Checks that a lost heartbeat is not a lost host. */
  public FtTimes {
    if (beatNanos < 1 || silenceNanos < 3 * beatNanos) {
      throw new IllegalArgumentException(
          "a time-out of %d ns for heartbeats every %d ns: three times as long or more"
              .formatted(silenceNanos, beatNanos));
    }
    if (stallNanos < 2 * silenceNanos) {
      throw new IllegalArgumentException(
          "a stall time-out of %d ns for a failure time-out of %d ns: twice as long or more"
              .formatted(stallNanos, silenceNanos));
    }
  }

  /**
   * Times around a time-out.
   *
   * @param silenceMillis 10 or more
   */
  public static FtTimes of(long silenceMillis) {
    return of(silenceMillis, Math.max(STALL_MILLIS, 2 * silenceMillis));
  }

  /**
   * The same.
   *
   * @param stallMillis twice the time-out or more
   */
  public static FtTimes of(long silenceMillis, long stallMillis) {
    long silence = TimeUnit.MILLISECONDS.toNanos(silenceMillis);
    return new FtTimes(
        silence / 8,
        silence,
        Math.min(silence / 8, MAX_CLOSED_NANOS),
        TimeUnit.MILLISECONDS.toNanos(200),
        TimeUnit.MILLISECONDS.toNanos(stallMillis));
  }

  /** {@code silenceNanos} in ms, as users give it and the two sides compare it. */
  public int silenceMillis() {
    return (int) TimeUnit.NANOSECONDS.toMillis(silenceNanos);
  }

  /** The same as {@code silenceNanos} while a pair is being formed. */
  public long pairingNanos() {
    return Math.max(PAIRING_NANOS, silenceNanos);
  }

  /**
   * A tick that comes later than this after the one before shows that this side stood still, which
   * says nothing of the other one: what that has sent meanwhile is to be heard first.
   */
  public long lateTickNanos() {
    return 2 * beatNanos;
  }

  /**
   * How long after a heartbeat that the backup has heard it surely claims nothing. The two clocks
   * ({@link lockstep.sys.SteadyClock}) may differ by an eighth: crystals differ by a
   * ten-thousandth, and a virtual machine's clock under load by little more.
   */
  public long leaseNanos() {
    return silenceNanos - silenceNanos / 8;
  }
}
