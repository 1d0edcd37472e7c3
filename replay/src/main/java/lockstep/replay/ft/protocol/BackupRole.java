package lockstep.replay.ft.protocol;

import java.util.Optional;
import java.util.OptionalLong;
import lockstep.replay.ft.protocol.PeerMessage.Bye;
import lockstep.replay.ft.protocol.PeerMessage.Leaving;

/** What an {@link FtSession} does as the side that follows, up to where it is the VM. */
final class BackupRole {
  private final SessionCore core;

  /** It has said that it can follow. */
  private boolean ready;

  /** The log position from which on this side may claim; none before Begin. */
  private OptionalLong begins = OptionalLong.empty();

  /** Entries received. */
  private long received;

  /** The replay has taken all that came. */
  private boolean caughtUp;

  /** The primary is lost or hands over, so that this side may claim once it can go live. */
  private boolean entitled;

  BackupRole(SessionCore core) {
    this.core = core;
  }

  void hello(PeerMessage.Hello hello, long now) {
    if (core.state != FtState.WAITING) {
      // The connection that said so is not the pair's; whoever owns it has refused it.
      return;
    }
    Optional<String> objection = Admission.objection(hello, core.vm, core.epoch, core.times);
    if (objection.isPresent()) {
      core.send(new PeerMessage.Refuse(objection.get()));
      core.add(new FtAction.Disconnect());
      core.note("turned a primary away: " + objection.get());
      return;
    }
    core.vm = hello.vm();
    core.name = hello.name();
    core.epoch = hello.epoch();
    core.backup = true;
    core.newPeer(now);
    ready = false;
    begins = OptionalLong.empty();
    received = 0;
    caughtUp = false;
    entitled = false;
    core.peer.startBeating(now);
    core.become(FtState.RECEIVING);
    core.add(new FtAction.Receive(hello));
  }

  void restored() {
    if (core.state == FtState.RECEIVING) {
      ready = true;
      core.send(new PeerMessage.Ready());
    }
  }

  void begin(long position) {
    if (core.state != FtState.RECEIVING) {
      return;
    }
    if (ready) {
      begins = OptionalLong.of(position);
      followIfBegun();
    } else {
      // A backup that has no machine must never claim the disk.
      core.pairingFailed("the primary said Begin before this side was ready");
    }
  }

  void received(long entries) {
    received = entries;
    followIfBegun();
  }

  /** What was shown before Begin was not waited for: this side is entitled when it has that too. */
  private void followIfBegun() {
    if (core.state == FtState.RECEIVING && begins.isPresent() && received >= begins.getAsLong()) {
      core.become(FtState.FOLLOWING);
    }
  }

  void released(PeerMessage.Released released) {
    if (core.state != FtState.RECEIVING && core.state != FtState.FOLLOWING) {
      return;
    }
    if (released.epoch() == core.epoch) {
      core.add(new FtAction.Forget(released.consoleBytes()));
    } else {
      violation(
          "the primary counts console bytes of epoch %d in epoch %d"
              .formatted(released.epoch(), core.epoch));
    }
  }

  /** The primary said what cannot be so. */
  void violation(String reason) {
    if (core.state == FtState.RECEIVING) {
      core.pairingFailed(reason);
    } else {
      giveUp(Leaving.FAILED, reason);
    }
  }

  /** The channel is closed, by whichever side. */
  void closed(long now) {
    catchUp();
    if (core.peer.isBeating()) {
      // Heartbeats come by datagram, too: a primary that lives answers, and a reset kills nobody.
      core.add(core.peer.nextBeat(true, now));
    }
  }

  void lost(String why) {
    if (!entitled) {
      core.note("primary lost (" + why + ")");
    }
    entitled = true;
    if (core.state == FtState.FOLLOWING) {
      catchUp();
    }
    // At once, so that a primary that lives claims first: it is the VM already.
    core.peer.giveUp();
    core.add(new FtAction.Disconnect());
    claimIfReady();
  }

  /** No more entries come; what is here is replayed before the disk is asked. */
  private void catchUp() {
    core.become(FtState.CATCHING_UP);
    core.add(new FtAction.SealLog());
  }

  void caughtUp() {
    switch (core.state) {
      case RECEIVING, FOLLOWING, CATCHING_UP -> {
        caughtUp = true;
        claimIfReady();
      }
      case WAITING,
          CLAIMING,
          TAKING_OVER,
          ALONE,
          PAIRING,
          PROTECTED,
          HANDING_OVER,
          HALTED,
          ENDED -> {
        // Of a log that is over.
      }
    }
  }

  /** What could still go wrong in the replay must not cost a primary that lives. */
  private void claimIfReady() {
    if (core.state == FtState.CATCHING_UP && entitled && caughtUp) {
      core.note("all that came from the primary is replayed; claiming the disk");
      core.startClaim();
    }
  }

  void won() {
    core.become(FtState.TAKING_OVER);
    core.add(new FtAction.EndLog(true));
  }

  void wentLive() {
    if (core.state == FtState.TAKING_OVER) {
      core.backup = false;
      core.become(FtState.ALONE);
      core.add(new FtAction.Gate(GateMode.FREE));
      core.note("took over; runs unprotected");
    }
  }

  void diverged(String reason) {
    switch (core.state) {
      case RECEIVING, FOLLOWING, CATCHING_UP ->
          giveUp(Leaving.DIVERGED, "diverged from the primary: " + reason);
      case CLAIMING, TAKING_OVER -> core.halt("diverged before taking over: " + reason);
      case WAITING, ALONE, PAIRING, PROTECTED, HANDING_OVER, HALTED, ENDED -> {
        // Nobody depends on this replay any more.
      }
    }
  }

  /** Takes no part in this pair any more, and has claimed nothing: the primary goes on. */
  private void giveUp(Leaving why, String reason) {
    boolean asIs = core.state != FtState.CATCHING_UP || core.hasPeer();
    if (asIs && !core.peer.isClosed()) {
      core.send(new Bye(why, reason));
    }
    core.add(new FtAction.Disconnect());
    core.add(new FtAction.EndLog(false));
    core.become(FtState.WAITING);
    core.note((asIs ? "" : "the VM is not taken over: ") + reason);
  }

  void detach() {
    core.send(new Bye(Leaving.DETACHED, "the backup was stopped by its user"));
    core.add(new FtAction.Disconnect());
    core.add(new FtAction.EndLog(false));
    core.become(FtState.ENDED);
  }

  void left(Bye bye) {
    if (bye.why() == Leaving.HANDOVER) {
      core.note("the primary hands over");
      entitled = true;
      catchUp();
      claimIfReady();
    } else {
      core.add(new FtAction.Disconnect());
      core.add(new FtAction.EndLog(false));
      core.become(bye.why() == Leaving.ENDED ? FtState.ENDED : FtState.WAITING);
      core.note("the primary left: " + bye.reason());
    }
  }
}
