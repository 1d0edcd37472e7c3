package lockstep.replay.ft;

import java.util.Optional;
import java.util.OptionalLong;

/**
 * What one side has heard of the other, and when that counts as lost: heartbeats both ways, the
 * lease they renew, and the silence between them. One for each connection of a pair; as pure as the
 * {@link FtSession} that it belongs to.
 */
final class PeerWatch {
  /** Heartbeats whose time of sending is remembered, for the lease. */
  private static final int BEATS_KEPT = 256;

  private final FtTimes times;
  private final long[] beatSentNanos = new long[BEATS_KEPT];
  private long beatsSent;
  private long beatsHeard;
  private boolean beating;
  private long heardNanos;
  private boolean closed;
  private boolean closedByPeer;
  private long tickNanos;

  /** Until then this side, which has stood still, hears what was sent meanwhile. */
  private long graceUntilNanos;

  /** The other side has just been heard of. */
  PeerWatch(FtTimes times, long nowNanos) {
    this.times = times;
    this.heardNanos = nowNanos;
    this.tickNanos = nowNanos;
    this.graceUntilNanos = nowNanos;
  }

  /** From now on heartbeats are sent: both sides know how. */
  void startBeating() {
    beating = true;
  }

  boolean isBeating() {
    return beating;
  }

  /** A message, of whatever kind. */
  void heard(long nowNanos) {
    heardNanos = nowNanos;
  }

  /** A heartbeat; false for an old one, or one that was sent twice: no sign of life. */
  boolean heardBeat(long sequence, long nowNanos) {
    if (sequence <= beatsHeard) {
      return false;
    }
    beatsHeard = sequence;
    heardNanos = nowNanos;
    return true;
  }

  /**
   * Until when outputs may leave, because the other side has heard a heartbeat from here.
   *
   * @param echo that one's number, as the other side says; empty if that is none or too old
   */
  OptionalLong leaseUntilNanos(long echo) {
    return echo > 0 && echo <= beatsSent && echo > beatsSent - BEATS_KEPT
        ? OptionalLong.of(beatSentNanos[(int) (echo % BEATS_KEPT)] + times.leaseNanos())
        : OptionalLong.empty();
  }

  /** The next heartbeat to be sent. */
  FtAction.SendBeat nextBeat(long nowNanos) {
    beatsSent++;
    beatSentNanos[(int) (beatsSent % BEATS_KEPT)] = nowNanos;
    return new FtAction.SendBeat(beatsSent, beatsHeard);
  }

  /**
   * The channel is gone.
   *
   * @param byPeer the other side's kernel closed it
   */
  void closed(boolean byPeer) {
    closed = true;
    closedByPeer = byPeer;
  }

  boolean isClosed() {
    return closed;
  }

  /** Time has passed; one that comes late shows that this side stood still. */
  void tick(long nowNanos) {
    if (nowNanos - tickNanos > times.stallNanos()) {
      graceUntilNanos = nowNanos + times.beatNanos();
    }
    tickNanos = nowNanos;
  }

  /**
   * Why the other side counts as lost now; empty if it does not.
   *
   * @param forming whether the pair is still being formed
   */
  Optional<String> lost(boolean forming, long nowNanos) {
    long silentNanos = nowNanos - heardNanos;
    boolean gone = closed && (closedByPeer || forming);
    long limitNanos =
        forming
            // Nothing depends on a pair that is not formed yet, and it has much to do.
            ? gone ? 0 : times.pairingNanos()
            : gone ? times.closedNanos() : times.silenceNanos();
    if (silentNanos < limitNanos || nowNanos - graceUntilNanos < 0) {
      return Optional.empty();
    }
    return Optional.of(
        (gone ? "its channel is closed, nothing heard" : "nothing heard")
            + " for %d ms".formatted(silentNanos / 1_000_000));
  }
}
