package lockstep.replay.ft;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import lockstep.replay.ft.Arbiter.Ruling;
import lockstep.replay.ft.FtEvent.Said;
import lockstep.replay.ft.PeerMessage.Bye;
import lockstep.replay.ft.PeerMessage.Leaving;

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
  private final FtTimes times;
  private final List<FtAction> actions = new ArrayList<>();
  private FtState state;
  private boolean backup;
  private long epoch;
  private String vm;
  private String name;

  /** The other side; of no account in a state without one. */
  private PeerWatch peer;

  /** Backup: it has said that it can follow. */
  private boolean ready;

  /** Backup: its user wants it to end unless it wins. */
  private boolean stopping;

  /** Primary: the log has begun, so that a backup can be ready for it. */
  private boolean logBegan;

  /** Backup: the log position from which on this side may claim; none before Begin. */
  private OptionalLong begins = OptionalLong.empty();

  /** Backup: entries received. */
  private long received;

  /** Backup: the replay has taken all that came. */
  private boolean caughtUp;

  /** Backup: the primary is lost or hands over, so that this side may claim once it can go live. */
  private boolean entitled;

  private ClaimTimer claims;
  private boolean handedOver;

  private FtSession(FtState state, String name, String vm, long epoch, FtTimes times) {
    this.state = state;
    this.name = name;
    this.vm = vm;
    this.epoch = epoch;
    this.times = times;
    this.peer = new PeerWatch(times, 0);
    this.claims = new ClaimTimer(times);
    this.backup = state == FtState.WAITING;
  }

  /**
   * The side that is the VM.
   *
   * @param name what the user calls it
   * @param vm see {@link Claimant}
   */
  public static FtSession primary(String name, String vm, FtTimes times) {
    return new FtSession(FtState.ALONE, name, vm, 0, times);
  }

  /** A side that waits for a primary. */
  public static FtSession backup(FtTimes times) {
    return new FtSession(FtState.WAITING, "", "", 0, times);
  }

  /** Where this side stands. */
  public FtState state() {
    return state;
  }

  /** The VM's identity; empty for a backup that has had no primary. */
  public String vm() {
    return vm;
  }

  /** What the user calls the VM. */
  public String name() {
    return name;
  }

  /** The epoch of the present pair, or of the last one; 0 for none. */
  public long epoch() {
    return epoch;
  }

  /** Which side of the present or last pair this is. */
  public Claimant.Side side() {
    return backup ? Claimant.Side.BACKUP : Claimant.Side.PRIMARY;
  }

  /** Whether heartbeats of the present or last peer come by UDP, as far as is known. */
  public boolean hasDatagrams() {
    return peer.hasDatagrams();
  }

  /** Whether this side is the VM, as far as it knows. */
  public boolean isTheVm() {
    return state.isTheVm();
  }

  /**
   * Takes in one thing that happened.
   *
   * @param nowNanos a clock that only rises; any origin
   * @return what to do now, in order
   */
  public List<FtAction> on(FtEvent event, long nowNanos) {
    actions.clear();
    switch (event) {
      case FtEvent.Connected _ -> connected(nowNanos);
      case Said said -> said(said.message(), nowNanos);
      case FtEvent.Beat beat -> beat(beat, nowNanos);
      case FtEvent.Bytes _ -> heard(nowNanos);
      case FtEvent.Closed gone -> closed(gone.byPeer(), nowNanos);
      case FtEvent.Tick _ -> tick(nowNanos);
      case FtEvent.LogBegan _ -> logBegan |= state == FtState.PAIRING;
      case FtEvent.Received come -> {
        received = come.entries();
        followIfBegun();
      }
      case FtEvent.CaughtUp _ -> caughtUp();
      case FtEvent.Violation violation -> violation(violation.reason());
      case FtEvent.Stalled stalled -> stalled(stalled.what());
      case FtEvent.PeerStalled stalled -> peerStalled(stalled.what());
      case FtEvent.Restored _ -> {
        if (state == FtState.RECEIVING) {
          ready = true;
          send(new PeerMessage.Ready());
        }
      }
      case FtEvent.PairingFailed failed -> pairingFailed(failed.reason());
      case FtEvent.Ruled ruled -> ruled(ruled.ruling(), nowNanos);
      case FtEvent.WentLive _ -> wentLive();
      case FtEvent.Diverged diverged -> diverged(diverged.reason());
      case FtEvent.GuestEnded ended -> guestEnded(ended.how());
      case FtEvent.Fenced fenced -> {
        if (state != FtState.HALTED && state != FtState.ENDED) {
          halt(fenced.reason());
        }
      }
      case FtEvent.Detach _ -> detach();
      case FtEvent.HandOver _ -> handOver();
    }
    return List.copyOf(actions);
  }

  private void connected(long now) {
    if (state == FtState.ALONE) {
      backup = false;
      epoch++;
      newPeer(now);
      become(FtState.PAIRING);
    }
  }

  private void newPeer(long now) {
    peer = new PeerWatch(times, now);
    ready = false;
    stopping = false;
    logBegan = false;
    begins = OptionalLong.empty();
    received = 0;
    caughtUp = false;
    entitled = false;
    claims = new ClaimTimer(times);
    handedOver = false;
  }

  private void heard(long now) {
    if (hasPeer()) {
      peer.heard(now);
    }
  }

  private void said(PeerMessage message, long now) {
    heard(now);
    switch (message) {
      case PeerMessage.Hello hello -> hello(hello, now);
      case PeerMessage.Welcome _ -> {
        if (state == FtState.PAIRING && !peer.isBeating()) {
          peer.startBeating(now);
          actions.add(new FtAction.StartLog());
        }
      }
      case PeerMessage.Refuse refuse -> pairingFailed("the backup refused: " + refuse.reason());
      case PeerMessage.Ready _ -> {
        if (state == FtState.PAIRING) {
          ready();
        }
      }
      case PeerMessage.Begin begin -> begin(begin.position());
      case PeerMessage.Ack ack -> {
        if (state == FtState.PAIRING || state == FtState.PROTECTED) {
          actions.add(new FtAction.Acknowledged(ack));
        }
      }
      case PeerMessage.Released released -> {
        if (state == FtState.RECEIVING || state == FtState.FOLLOWING) {
          if (released.epoch() == epoch) {
            actions.add(new FtAction.Forget(released.consoleBytes()));
          } else {
            violation(
                "the primary counts console bytes of epoch %d in epoch %d"
                    .formatted(released.epoch(), epoch));
          }
        }
      }
      case PeerMessage.Beat beat ->
          beat(new FtEvent.Beat(beat.sequence(), beat.echo(), false, false), now);
      case Bye bye -> bye(bye);
      case PeerMessage.Frame _ -> {
        // The log's own way is shorter; here it only counts as a sign of life.
      }
    }
  }

  private void ready() {
    if (!logBegan) {
      violation("the backup said Ready before it had the state");
      return;
    }
    become(FtState.PROTECTED);
    // The gate first: nothing leaves between the two that the backup might not know of.
    actions.add(new FtAction.Gate(OutputGate.Mode.GATED));
    actions.add(new FtAction.SendBegin());
  }

  private void begin(long position) {
    if (state != FtState.RECEIVING) {
      return;
    }
    if (ready) {
      begins = OptionalLong.of(position);
      followIfBegun();
    } else {
      // A backup that has no machine must never claim the disk.
      violation("the primary said Begin before this side was ready");
    }
  }

  /** What was shown before Begin was not waited for: this side is entitled when it has that too. */
  private void followIfBegun() {
    if (state == FtState.RECEIVING && begins.isPresent() && received >= begins.getAsLong()) {
      become(FtState.FOLLOWING);
    }
  }

  /**
   * The other side said what cannot be so: no pair with it, and this side never goes live on it.
   */
  private void violation(String reason) {
    switch (state) {
      case PAIRING, RECEIVING -> pairingFailed(reason);
      case PROTECTED -> giveUpBackup(reason);
      case FOLLOWING, CATCHING_UP -> giveUp(Leaving.FAILED, reason);
      default -> {
        // From a channel that no longer counts.
      }
    }
  }

  private void giveUpBackup(String reason) {
    note("the backup is given up: " + reason + "; claiming the disk");
    send(new Bye(Leaving.FAILED, reason));
    actions.add(new FtAction.Gate(OutputGate.Mode.CLOSED));
    startClaim();
  }

  /** It answers, so no silence will ever tell, and nothing that it is to do gets done. */
  private void peerStalled(String what) {
    switch (state) {
      case PROTECTED -> giveUpBackup(what);
      case HANDING_OVER -> {
        note("the backup does not take over: " + what + "; claiming the disk");
        startClaim();
      }
      default -> {
        // Nobody waits for it.
      }
    }
  }

  /** Heartbeats of a side that cannot do its work must not keep the other one from doing it. */
  private void stalled(String what) {
    switch (state) {
      case PROTECTED, FOLLOWING -> {
        become(FtState.HALTED);
        actions.add(new FtAction.Gate(OutputGate.Mode.DEAD));
        actions.add(
            new FtAction.FailStop(what + "; this side ends so that the other one can go on"));
      }
      case RECEIVING -> pairingFailed(what);
      case HALTED, ENDED -> {
        // Over.
      }
      default -> note(what + "; no other side could go on");
    }
  }

  private void hello(PeerMessage.Hello hello, long now) {
    if (state != FtState.WAITING) {
      // The connection that said so is not the pair's; whoever owns it has refused it.
      return;
    }
    Optional<String> objection = Admission.objection(hello, vm, epoch, times);
    if (objection.isPresent()) {
      send(new PeerMessage.Refuse(objection.get()));
      actions.add(new FtAction.Disconnect());
      note("turned a primary away: " + objection.get());
      return;
    }
    vm = hello.vm();
    name = hello.name();
    epoch = hello.epoch();
    backup = true;
    newPeer(now);
    peer.startBeating(now);
    become(FtState.RECEIVING);
    actions.add(new FtAction.Receive(hello));
  }

  private void beat(FtEvent.Beat beat, long now) {
    if (!hasPeer()) {
      return;
    }
    boolean fresh = peer.heardBeat(beat, now);
    if (fresh && state == FtState.PROTECTED) {
      peer.leaseUntilNanos(beat.echo()).ifPresent(until -> actions.add(new FtAction.Lease(until)));
    }
    if (fresh && beat.asks()) {
      actions.add(peer.nextBeat(false, now));
    }
  }

  private boolean hasPeer() {
    return switch (state) {
      case RECEIVING, FOLLOWING, PAIRING, PROTECTED, HANDING_OVER -> true;
      case CATCHING_UP -> !peer.isGivenUp();
      case WAITING, CLAIMING, TAKING_OVER, ALONE, HALTED, ENDED -> false;
    };
  }

  private boolean isForming() {
    return state == FtState.PAIRING || state == FtState.RECEIVING;
  }

  private void tick(long now) {
    peer.tick(now);
    checkPeer(now);
    if (hasPeer() && peer.isBeating() && !peer.isClosed()) {
      actions.add(peer.nextBeat(false, now));
      peer.datagramNote(now).ifPresent(this::note);
    }
    if (state == FtState.CLAIMING && claims.isDue(now)) {
      claim();
    }
  }

  private void closed(boolean byPeer, long now) {
    boolean first = !peer.isClosed();
    peer.closed(byPeer, now);
    if (state == FtState.PROTECTED) {
      // No acknowledgement can come any more, and a claim of the side that is the VM harms nothing.
      lostBackup("its channel is closed");
    } else if (state == FtState.FOLLOWING && first) {
      catchUp();
      if (peer.isBeating()) {
        // Heartbeats come by datagram, too: a primary that lives answers, and a reset kills nobody.
        actions.add(peer.nextBeat(true, now));
      }
    }
    checkPeer(now);
  }

  private void lostBackup(String why) {
    note("backup lost (" + why + "); claiming the disk");
    actions.add(new FtAction.Gate(OutputGate.Mode.CLOSED));
    startClaim();
  }

  private void checkPeer(long now) {
    if (!hasPeer()) {
      return;
    }
    Optional<String> lost = peer.lost(isForming(), now);
    if (lost.isEmpty()) {
      return;
    }
    String why = lost.get();
    switch (state) {
      case PAIRING, RECEIVING ->
          pairingFailed(
              peer.isClosed() && !peer.isBeating()
                  ? "the other side hung up without a word; its own lines may say why, and an"
                      + " --identity that differs is one reason"
                  : "the other side is lost: " + why);
      case PROTECTED -> lostBackup(why);
      case FOLLOWING, CATCHING_UP -> lostPrimary(why);
      case HANDING_OVER -> {
        if (peer.isSilent(now)) {
          startClaim();
        }
      }
      case WAITING, CLAIMING, TAKING_OVER, ALONE, HALTED, ENDED ->
          throw new IllegalStateException("no peer in " + state);
    }
  }

  private void lostPrimary(String why) {
    if (!entitled) {
      note("primary lost (" + why + "); claiming the disk");
    }
    entitled = true;
    if (state == FtState.FOLLOWING) {
      catchUp();
    }
    // At once, so that a primary that lives claims first: it is the VM already.
    peer.giveUp();
    actions.add(new FtAction.Disconnect());
    claimIfReady();
  }

  /** Backup: no more entries come; what is here is replayed before the disk is asked. */
  private void catchUp() {
    become(FtState.CATCHING_UP);
    actions.add(new FtAction.SealLog());
  }

  private void caughtUp() {
    if (state == FtState.RECEIVING || state == FtState.FOLLOWING || state == FtState.CATCHING_UP) {
      caughtUp = true;
      claimIfReady();
    }
  }

  /** What could still go wrong in the replay must not cost a primary that lives. */
  private void claimIfReady() {
    if (state == FtState.CATCHING_UP && entitled && caughtUp) {
      startClaim();
    }
  }

  private void startClaim() {
    become(FtState.CLAIMING);
    actions.add(new FtAction.Disconnect());
    claim();
  }

  private void claim() {
    claims.asked();
    actions.add(new FtAction.Claim());
  }

  private void ruled(Ruling ruling, long now) {
    if (state != FtState.CLAIMING) {
      return;
    }
    claims.answered(now);
    switch (ruling.verdict()) {
      case UNKNOWN -> {
        if (stopping) {
          stopUndecided();
        } else if (claims.isNews(ruling.reason(), now)) {
          note("no answer from the disk: " + ruling.reason() + "; asking again");
        }
      }
      case LOST -> {
        if (handedOver) {
          actions.add(new FtAction.Gate(OutputGate.Mode.DEAD));
          become(FtState.ENDED);
        } else {
          halt("the other side goes on: " + ruling.reason());
        }
      }
      case WON -> {
        if (backup) {
          become(FtState.TAKING_OVER);
          actions.add(new FtAction.EndLog(true));
        } else {
          become(FtState.ALONE);
          actions.add(new FtAction.CutLog());
          actions.add(new FtAction.Gate(OutputGate.Mode.FREE));
          note((handedOver ? "the backup did not take over; " : "") + "goes on alone, unprotected");
        }
      }
    }
  }

  /** What the disk was asked may still take effect; so this is no end in order. */
  private void stopUndecided() {
    halt("stopped while the disk did not say which side goes on");
  }

  private void halt(String reason) {
    become(FtState.HALTED);
    actions.add(new FtAction.Gate(OutputGate.Mode.DEAD));
    // First, so that whoever sees the log end knows why.
    actions.add(new FtAction.Halt(reason));
    actions.add(backup ? new FtAction.EndLog(false) : new FtAction.CutLog());
  }

  private void pairingFailed(String reason) {
    switch (state) {
      case PAIRING -> {
        become(FtState.ALONE);
        actions.add(new FtAction.Disconnect());
        actions.add(new FtAction.CutLog());
        note("not protected: " + reason);
      }
      case RECEIVING -> {
        become(FtState.WAITING);
        send(new PeerMessage.Refuse(reason));
        actions.add(new FtAction.Disconnect());
        actions.add(new FtAction.EndLog(false));
        note("no longer a backup: " + reason);
      }
      default -> {
        // Too late to matter, or said out of turn.
      }
    }
  }

  private void wentLive() {
    if (state == FtState.TAKING_OVER) {
      backup = false;
      become(FtState.ALONE);
      actions.add(new FtAction.Gate(OutputGate.Mode.FREE));
      note("took over; runs unprotected");
    }
  }

  private void diverged(String reason) {
    switch (state) {
      case RECEIVING, FOLLOWING, CATCHING_UP ->
          giveUp(Leaving.DIVERGED, "diverged from the primary: " + reason);
      case CLAIMING, TAKING_OVER -> halt("diverged before taking over: " + reason);
      default -> {
        // Nobody depends on this replay any more.
      }
    }
  }

  /** Backup: takes no part in this pair any more, and has claimed nothing: the primary goes on. */
  private void giveUp(Leaving why, String reason) {
    boolean asIs = state != FtState.CATCHING_UP || hasPeer();
    if (asIs && !peer.isClosed()) {
      send(new Bye(why, reason));
    }
    actions.add(new FtAction.Disconnect());
    actions.add(new FtAction.EndLog(false));
    become(FtState.WAITING);
    note((asIs ? "" : "the VM is not taken over: ") + reason);
  }

  private void guestEnded(String how) {
    if (hasPeer() && !peer.isClosed()) {
      send(new Bye(Leaving.ENDED, how));
    }
    actions.add(new FtAction.Disconnect());
    become(FtState.ENDED);
  }

  private void detach() {
    switch (state) {
      case PROTECTED -> {
        // The word may be lost on its way, so the disk must know too.
        send(new Bye(Leaving.DETACHED, "detached by the user"));
        actions.add(new FtAction.Gate(OutputGate.Mode.CLOSED));
        startClaim();
      }
      case PAIRING -> {
        send(new Bye(Leaving.DETACHED, "detached by the user"));
        pairingFailed("detached by the user");
      }
      case RECEIVING, FOLLOWING -> {
        send(new Bye(Leaving.DETACHED, "the backup was stopped by its user"));
        actions.add(new FtAction.Disconnect());
        actions.add(new FtAction.EndLog(false));
        become(FtState.ENDED);
      }
      case WAITING -> become(FtState.ENDED);
      case CLAIMING -> {
        // One that wins goes on: nobody else may.
        stopping = backup;
        if (stopping && !claims.isAsked()) {
          stopUndecided();
        }
      }
      case CATCHING_UP -> stopping = true;
      default -> {
        // Nobody to part from.
      }
    }
  }

  /**
   * The backup may be dead already, or die before it goes on: so this side is not over before the
   * disk says that it has lost. It asks only after a while, so that the backup finds no rival.
   */
  private void handOver() {
    if (state == FtState.PROTECTED) {
      actions.add(new FtAction.Gate(OutputGate.Mode.CLOSED));
      send(new Bye(Leaving.HANDOVER, "planned failover"));
      handedOver = true;
      become(FtState.HANDING_OVER);
    }
  }

  private void bye(Bye bye) {
    switch (state) {
      case PAIRING -> pairingFailed("the backup left: " + bye.reason());
      case PROTECTED, HANDING_OVER -> {
        become(FtState.ALONE);
        actions.add(new FtAction.Disconnect());
        actions.add(new FtAction.CutLog());
        actions.add(new FtAction.Gate(OutputGate.Mode.FREE));
        note("the backup left (" + bye.reason() + "); runs unprotected");
        if (bye.why() == Leaving.DIVERGED) {
          actions.add(new FtAction.Resync());
        }
      }
      case RECEIVING -> pairingFailed("the primary left: " + bye.reason());
      case FOLLOWING -> {
        if (bye.why() == Leaving.HANDOVER) {
          note("the primary hands over; claiming the disk");
          entitled = true;
          catchUp();
          claimIfReady();
        } else {
          actions.add(new FtAction.Disconnect());
          actions.add(new FtAction.EndLog(false));
          become(bye.why() == Leaving.ENDED ? FtState.ENDED : FtState.WAITING);
          note("the primary left: " + bye.reason());
        }
      }
      default -> {
        // From a channel that no longer counts.
      }
    }
  }

  private void become(FtState next) {
    state = next;
  }

  private void send(PeerMessage message) {
    actions.add(new FtAction.Send(message));
  }

  private void note(String text) {
    actions.add(new FtAction.Note(text));
  }
}
