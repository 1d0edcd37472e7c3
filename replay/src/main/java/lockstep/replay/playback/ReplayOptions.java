package lockstep.replay.playback;

import java.util.OptionalLong;

/**
 * How to replay.
 *
 * @param stopAtExits stop when the guest has made so many exits; empty = at the log's end
 * @param realTime wait so that the guest clock runs no faster than the host's
 * @param goLive end before the host's decision to stop, so that the guest can go on from there
 * @param stallNanos without a guest exit for so long, the replay is given up
 */
public record ReplayOptions(
    OptionalLong stopAtExits, boolean realTime, boolean goLive, long stallNanos) {
  /**
   * A recorded guest without exits is placed by state-sync, so a replay meets long stretches
   * without exits only where the recorded one had them; this is far above any of those.
   */
  public static final long DEFAULT_STALL_NANOS = 120_000_000_000L;

  /** To the end, as fast as possible. */
  public static ReplayOptions toTheEnd() {
    return new ReplayOptions(OptionalLong.empty(), false, false, DEFAULT_STALL_NANOS);
  }
}
