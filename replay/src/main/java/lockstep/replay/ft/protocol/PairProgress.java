package lockstep.replay.ft.protocol;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Whether the two sides of a pair get on, beside being heard of: the vital threads here and, at the
 * primary, what the backup acknowledges and replays. Loop thread only; it knows no clock.
 */
public final class PairProgress {
  private final FtTimes times;
  private final List<Watched> own = new ArrayList<>();
  private StallWatch received;
  private StallWatch replayed;
  private long tickNanos;

  private record Watched(VitalSign sign, StallWatch watch) {
    /**
     * Whether a backup may only seem to stand: what the vCPU thread has counted as sent may be on
     * its way to the wire for ever.
     */
    boolean mayHoldThePeer() {
      return sign.waitsForPeer() && watch.isGrave();
    }
  }

  /** Nothing to watch yet. */
  public PairProgress(FtTimes times, long nowNanos) {
    this.times = times;
    this.received = watch();
    this.replayed = watch();
    this.tickNanos = nowNanos;
  }

  private StallWatch watch() {
    return new StallWatch(times.stallNanos(), times.lateTickNanos());
  }

  /** Watches these from now on. */
  public void watch(List<VitalSign> signs) {
    own.clear();
    signs.forEach(sign -> own.add(new Watched(sign, watch())));
  }

  /** A log begins: what an earlier backup did is of no account. */
  public void logBegins() {
    received = watch();
    replayed = watch();
  }

  /**
   * Time has passed.
   *
   * @param primary how far the log is, at a primary whose log a backup has; empty elsewhere
   * @param excused whether the vCPU waits for the other side
   * @param traffic bytes of the log that went through the vCPU: all of a large memory may be one
   *     step of the guest
   * @return what the session is to be told, if anything
   */
  public List<FtEvent> tick(
      Optional<FtStatus.Transfer> primary, boolean excused, long traffic, long nowNanos) {
    long nanos = nowNanos - tickNanos;
    tickNanos = nowNanos;
    List<FtEvent> events = new ArrayList<>();
    for (Watched each : own) {
      VitalSign sign = each.sign();
      boolean mayStand = sign.mayStand() || (excused && sign.waitsForPeer());
      each.watch()
          .tick(sign.moves() + (sign.waitsForPeer() ? traffic : 0), mayStand, nanos)
          .ifPresent(stood -> events.add(new FtEvent.Stalled(stands(sign.name() + " has", stood))));
      if (each.watch().isSuspicious()) {
        sign.nudge();
      }
    }
    List<FtEvent> ofPeer = new ArrayList<>();
    primary.ifPresent(log -> peer(log, nanos, ofPeer));
    if (own.stream().noneMatch(Watched::mayHoldThePeer)) {
      events.addAll(ofPeer);
    }
    return events;
  }

  private void peer(FtStatus.Transfer log, long nanos, List<FtEvent> events) {
    received
        .tick(log.acknowledgedEntries(), log.acknowledgedEntries() >= log.entries(), nanos)
        .ifPresent(
            stood -> events.add(new FtEvent.PeerStalled(stands("its receipts have", stood))));
    replayed
        .tick(log.replayedEntries(), log.replayedEntries() >= log.acknowledgedEntries(), nanos)
        .ifPresent(stood -> events.add(new FtEvent.PeerStalled(stands("its replay has", stood))));
  }

  private static String stands(String who, long nanos) {
    return "%s not advanced for %d ms".formatted(who, nanos / 1_000_000);
  }
}
