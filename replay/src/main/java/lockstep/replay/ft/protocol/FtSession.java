package lockstep.replay.ft.protocol;

import java.util.List;
import java.util.Optional;
import lockstep.replay.ft.disk.Arbiter.Ruling;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.protocol.FtEvent.Message;
import lockstep.replay.ft.protocol.PeerMessage.Bye;
import lockstep.replay.ft.protocol.PeerMessage.Leaving;

/**
 * One side of a protected pair as a state machine (docs/fault-tolerance.md draws it): told what
 * happened and when, it says what to do. It knows no clock, thread, socket or disk, so that a
 * simulation runs it as it is.
 *
 * <p>What makes it safe: a backup claims the disk only after {@code Begin}; from the moment that a
 * primary has sent {@code Begin} it goes on without its backup only after winning a claim, or after
 * the backup has promised ({@code Bye}) never to claim.
 *
 * <p>One thread.
 */
public final class FtSession {
  private final SessionCore core;
  private final PrimaryRole primary;
  private final BackupRole backup;

  private FtSession(FtState state, String name, String vm, FtTimes times) {
    this.core = new SessionCore(state, name, vm, times);
    this.primary = new PrimaryRole(core);
    this.backup = new BackupRole(core);
  }

  /**
   * The side that is the VM.
   *
   * @param name what the user calls it
   * @param vm see {@link Claimant}
   */
  public static FtSession primary(String name, String vm, FtTimes times) {
    return new FtSession(FtState.ALONE, name, vm, times);
  }

  /** A side that waits for a primary. */
  public static FtSession backup(FtTimes times) {
    return new FtSession(FtState.WAITING, "", "", times);
  }

  /** Where this side stands. */
  public FtState state() {
    return core.state;
  }

  /** The VM's identity; empty for a backup that has had no primary. */
  public String vm() {
    return core.vm;
  }

  /** What the user calls the VM. */
  public String name() {
    return core.name;
  }

  /** The epoch of the present pair, or of the last one; 0 for none. */
  public long epoch() {
    return core.epoch;
  }

  /** Which side of the present or last pair this is. */
  public Claimant.Side side() {
    return core.backup ? Claimant.Side.BACKUP : Claimant.Side.PRIMARY;
  }

  /** Whether heartbeats of the present or last peer come by UDP, as far as is known. */
  public boolean hasDatagrams() {
    return core.peer.hasDatagrams();
  }

  /** Primary: why the last pair was not formed, or is over; empty if neither. */
  public String noBackup() {
    return core.noBackup;
  }

  /** Whether this side is the VM, as far as it knows. */
  public boolean isTheVm() {
    return core.state.isTheVm();
  }

  /**
   * Takes in one thing that happened.
   *
   * @param nowNanos a clock that only rises; any origin
   * @return what to do now, in order
   */
  public List<FtAction> on(FtEvent event, long nowNanos) {
    core.actions.clear();
    switch (event) {
      case FtEvent.Connected _ -> primary.connected(nowNanos);
      case Message received -> message(received.message(), nowNanos);
      case FtEvent.Beat beat -> beat(beat, nowNanos);
      case FtEvent.Bytes _ -> heard(nowNanos);
      case FtEvent.Closed gone -> closed(gone.byPeer(), nowNanos);
      case FtEvent.Tick _ -> tick(nowNanos);
      case FtEvent.LogBegan _ -> primary.logBegan();
      case FtEvent.Received come -> backup.received(come.entries());
      case FtEvent.CaughtUp _ -> backup.caughtUp();
      case FtEvent.Violation violation -> violation(violation.reason());
      case FtEvent.Stalled stalled -> stalled(stalled.what());
      case FtEvent.PeerStalled stalled -> primary.peerStalled(stalled.what());
      case FtEvent.Restored _ -> backup.restored();
      case FtEvent.PairingFailed failed -> core.pairingFailed(failed.reason());
      case FtEvent.Ruled ruled -> ruled(ruled.ruling(), nowNanos);
      case FtEvent.WentLive _ -> backup.wentLive();
      case FtEvent.Diverged diverged -> backup.diverged(diverged.reason());
      case FtEvent.GuestEnded ended -> guestEnded(ended.how());
      case FtEvent.Fenced fenced -> {
        if (core.state != FtState.HALTED && core.state != FtState.ENDED) {
          core.halt(fenced.reason());
        }
      }
      case FtEvent.Detach _ -> detach();
      case FtEvent.HandOver _ -> primary.handOver();
    }
    return List.copyOf(core.actions);
  }

  private void heard(long now) {
    if (core.hasPeer()) {
      core.peer.heard(now);
    }
  }

  private void message(PeerMessage message, long now) {
    heard(now);
    switch (message) {
      case PeerMessage.Hello hello -> backup.hello(hello, now);
      case PeerMessage.Welcome _ -> primary.welcome(now);
      case PeerMessage.Refuse refuse ->
          core.pairingFailed("the backup refused: " + refuse.reason());
      case PeerMessage.Ready _ -> primary.ready();
      case PeerMessage.Begin begin -> backup.begin(begin.position());
      case PeerMessage.Ack ack -> primary.acknowledged(ack);
      case PeerMessage.Released released -> backup.released(released);
      case PeerMessage.Beat beat ->
          beat(new FtEvent.Beat(beat.sequence(), beat.echo(), false, false), now);
      case Bye bye -> bye(bye);
      case PeerMessage.Frame _ -> {
        // The log's own way is shorter; here it only counts as a sign of life.
      }
    }
  }

  /**
   * The other side sent what cannot be true: no pair with it, and this side never goes live on it.
   */
  private void violation(String reason) {
    switch (core.state) {
      case PAIRING -> core.pairingFailed(reason);
      case PROTECTED -> primary.giveUp(reason);
      case RECEIVING, FOLLOWING, CATCHING_UP -> backup.violation(reason);
      case WAITING, CLAIMING, TAKING_OVER, ALONE, HANDING_OVER, HALTED, ENDED -> {
        // From a channel that no longer counts.
      }
    }
  }

  /** Heartbeats of a side that cannot do its work must not keep the other one from doing it. */
  private void stalled(String what) {
    switch (core.state) {
      case PROTECTED, FOLLOWING -> {
        core.become(FtState.HALTED);
        core.add(new FtAction.Gate(GateMode.DEAD));
        core.add(new FtAction.FailStop(what + "; this side ends so that the other one can go on"));
      }
      case RECEIVING -> core.pairingFailed(what);
      case HALTED, ENDED -> {
        // Over.
      }
      case WAITING, CATCHING_UP, CLAIMING, TAKING_OVER, ALONE, PAIRING, HANDING_OVER ->
          core.note(what + "; no other side could go on");
    }
  }

  private void beat(FtEvent.Beat beat, long now) {
    if (!core.hasPeer()) {
      return;
    }
    boolean fresh = core.peer.heardBeat(beat, now);
    if (fresh && core.state == FtState.PROTECTED) {
      core.peer
          .leaseUntilNanos(beat.echo())
          .ifPresent(until -> core.add(new FtAction.Lease(until)));
    }
    if (fresh && beat.asks()) {
      core.add(core.peer.nextBeat(false, now));
    }
  }

  private void tick(long now) {
    core.peer.tick(now);
    checkPeer(now);
    if (core.hasPeer() && core.peer.isBeating() && !core.peer.isClosed()) {
      core.add(core.peer.nextBeat(false, now));
      core.peer.datagramNote(now).ifPresent(core::note);
    }
    if (core.state == FtState.CLAIMING && core.claims.isDue(now)) {
      core.claim();
    }
  }

  private void closed(boolean byPeer, long now) {
    boolean first = !core.peer.isClosed();
    core.peer.closed(byPeer, now);
    if (core.state == FtState.PROTECTED) {
      // No acknowledgement can come any more, and a claim of the side that is the VM harms nothing.
      primary.lost("its channel is closed");
    } else if (core.state == FtState.FOLLOWING && first) {
      backup.closed(now);
    }
    checkPeer(now);
  }

  private void checkPeer(long now) {
    if (!core.hasPeer()) {
      return;
    }
    PeerWatch peer = core.peer;
    Optional<String> lost = peer.lost(core.isForming(), now);
    if (lost.isEmpty()) {
      return;
    }
    String why = lost.get();
    switch (core.state) {
      case PAIRING, RECEIVING ->
          core.pairingFailed(
              peer.isClosed() && !peer.isBeating()
                  ? "the other side hung up without a word; its own lines may say why, and an"
                      + " --identity that differs is one reason"
                  : "the other side is lost: " + why);
      case PROTECTED -> primary.lost(why);
      case FOLLOWING, CATCHING_UP -> backup.lost(why);
      case HANDING_OVER -> {
        if (peer.isSilent(now)) {
          core.startClaim();
        }
      }
      case WAITING, CLAIMING, TAKING_OVER, ALONE, HALTED, ENDED ->
          throw new IllegalStateException("no peer in " + core.state);
    }
  }

  private void ruled(Ruling ruling, long now) {
    if (core.state != FtState.CLAIMING) {
      return;
    }
    core.claims.answered(now);
    switch (ruling.verdict()) {
      case UNKNOWN -> {
        if (core.stopping) {
          core.stopUndecided();
        } else if (core.claims.isNews(ruling.reason(), now)) {
          core.note("no answer from the disk: " + ruling.reason() + "; asking again");
        }
      }
      case LOST -> {
        if (core.handedOver) {
          core.add(new FtAction.Gate(GateMode.DEAD));
          core.become(FtState.ENDED);
        } else {
          core.halt("the other side goes on: " + ruling.reason());
        }
      }
      case WON -> {
        if (core.backup) {
          backup.won();
        } else {
          primary.won();
        }
      }
    }
  }

  private void guestEnded(String how) {
    if (core.hasPeer() && !core.peer.isClosed()) {
      core.send(new Bye(Leaving.ENDED, how));
    }
    core.add(new FtAction.Disconnect());
    core.become(FtState.ENDED);
  }

  private void detach() {
    switch (core.state) {
      case PROTECTED -> primary.detach();
      case PAIRING -> {
        core.send(new Bye(Leaving.DETACHED, "detached by the user"));
        core.pairingFailed("detached by the user");
      }
      case RECEIVING, FOLLOWING -> backup.detach();
      case WAITING -> core.become(FtState.ENDED);
      case CLAIMING -> {
        // One that wins goes on: nobody else may.
        core.stopping = core.backup;
        if (core.stopping && !core.claims.isAsked()) {
          core.stopUndecided();
        }
      }
      case CATCHING_UP -> core.stopping = true;
      case TAKING_OVER, ALONE, HANDING_OVER, HALTED, ENDED -> {
        // Nobody to part from.
      }
    }
  }

  private void bye(Bye bye) {
    switch (core.state) {
      case PAIRING -> core.pairingFailed("the backup left: " + bye.reason());
      case PROTECTED, HANDING_OVER -> primary.left(bye);
      case RECEIVING -> core.pairingFailed("the primary left: " + bye.reason());
      case FOLLOWING -> backup.left(bye);
      case WAITING, CATCHING_UP, CLAIMING, TAKING_OVER, ALONE, HALTED, ENDED -> {
        // From a channel that no longer counts.
      }
    }
  }
}
