package lockstep.replay.ft.protocol;

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

  /** Time-outs without a datagram before a pair counts as one that has none. */
  private static final int SILENCES_WITHOUT_DATAGRAMS = 2;

  private final FtTimes times;
  private final long[] beatSentNanos = new long[BEATS_KEPT];
  private long beatsSent;
  private long beatsHeard;
  private boolean beating;
  private long heardNanos;
  private boolean closed;
  private boolean closedByPeer;
  private long closedNanos;
  private long tickNanos;
  private boolean givenUp;

  /** Until then this side, which has stood still, hears what was sent meanwhile. */
  private long graceUntilNanos;

  // Heartbeats by UDP.
  private long datagramsHeard;
  private long datagramNanos;
  private boolean datagrams = true;

  /** The heartbeat that asked for an answer when the channel was closed; none before. */
  private OptionalLong question = OptionalLong.empty();

  private boolean answered;

  /** The other side has just been heard of. */
  PeerWatch(FtTimes times, long nowNanos) {
    this.times = times;
    this.heardNanos = nowNanos;
    this.tickNanos = nowNanos;
    this.graceUntilNanos = nowNanos;
  }

  /** From now on heartbeats are sent: both sides know how. */
  void startBeating(long nowNanos) {
    beating = true;
    datagramNanos = nowNanos;
  }

  boolean isBeating() {
    return beating;
  }

  /** A message, of whatever kind. */
  void heard(long nowNanos) {
    heardNanos = nowNanos;
  }

  /** A heartbeat; false for an old one, or one that was sent twice: no sign of life. */
  boolean heardBeat(FtEvent.Beat beat, long nowNanos) {
    if (beat.datagram() && beat.sequence() > datagramsHeard) {
      datagramsHeard = beat.sequence();
      datagramNanos = nowNanos;
    }
    if (beat.sequence() <= beatsHeard) {
      return false;
    }
    beatsHeard = beat.sequence();
    heardNanos = nowNanos;
    answered |= question.isPresent() && beat.echo() >= question.getAsLong();
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

  /**
   * The next heartbeat to be sent.
   *
   * @param asks whether the other side is to answer at once
   */
  FtAction.SendBeat nextBeat(boolean asks, long nowNanos) {
    beatsSent++;
    beatSentNanos[(int) (beatsSent % BEATS_KEPT)] = nowNanos;
    if (asks) {
      question = OptionalLong.of(beatsSent);
    }
    return new FtAction.SendBeat(beatsSent, beatsHeard, asks);
  }

  /**
   * The channel is gone.
   *
   * @param byPeer the other side's kernel closed it
   */
  void closed(boolean byPeer, long nowNanos) {
    if (!closed) {
      closed = true;
      closedByPeer = byPeer;
      closedNanos = nowNanos;
    }
  }

  boolean isClosed() {
    return closed;
  }

  /** This side does not listen any more. */
  void giveUp() {
    givenUp = true;
  }

  boolean isGivenUp() {
    return givenUp;
  }

  /** Time has passed; one that comes late shows that this side stood still. */
  void tick(long nowNanos) {
    if (nowNanos - tickNanos > times.lateTickNanos()) {
      graceUntilNanos = nowNanos + times.beatNanos();
    }
    tickNanos = nowNanos;
  }

  /** Whether heartbeats come by UDP, as far as this side knows yet. */
  boolean hasDatagrams() {
    return datagrams;
  }

  /** What there is to tell of heartbeats by UDP; empty while nothing changes. */
  Optional<String> datagramNote(long nowNanos) {
    boolean come =
        nowNanos - datagramNanos < SILENCES_WITHOUT_DATAGRAMS * times.silenceNanos()
            || nowNanos - graceUntilNanos < 0;
    if (come == datagrams) {
      return Optional.empty();
    }
    datagrams = come;
    return Optional.of(
        come
            ? "heartbeats of the other side come by UDP again"
            : "no heartbeat of the other side comes by UDP: does a firewall let the heartbeat port"
                + " through? The logging channel alone shows whether it lives");
  }

  /** Whether nothing was heard for the whole time-out, whatever became of the channel. */
  boolean isSilent(long nowNanos) {
    return nowNanos - heardNanos >= times.silenceNanos() && nowNanos - graceUntilNanos >= 0;
  }

  /**
   * Why the other side counts as lost now; empty if it does not.
   *
   * @param forming whether the pair is still being formed
   */
  Optional<String> lost(boolean forming, long nowNanos) {
    // A heartbeat that answers one sent after the end of the channel outvotes the end.
    boolean gone = closed && (forming || (closedByPeer && !answered));
    long sinceNanos =
        gone && !forming && asksByDatagram() && closedNanos - heardNanos > 0
            ? closedNanos
            : heardNanos;
    long limitNanos =
        forming
            // Nothing depends on a pair that is not formed yet, and it has much to do.
            ? gone ? 0 : times.pairingNanos()
            : gone ? times.closedNanos() : times.silenceNanos();
    if (nowNanos - sinceNanos < limitNanos || nowNanos - graceUntilNanos < 0) {
      return Optional.empty();
    }
    return Optional.of(
        (gone ? "its channel is closed, nothing heard" : "nothing heard")
            + " for %d ms".formatted((nowNanos - heardNanos) / 1_000_000));
  }

  /** Whether an answer is to be waited for. */
  private boolean asksByDatagram() {
    return question.isPresent() && datagrams && datagramsHeard > 0;
  }
}
