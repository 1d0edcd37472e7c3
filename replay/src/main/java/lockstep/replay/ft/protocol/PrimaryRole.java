package lockstep.replay.ft.protocol;

import lockstep.replay.ft.protocol.PeerMessage.Bye;
import lockstep.replay.ft.protocol.PeerMessage.Leaving;

/** What an {@link FtSession} does as the side that is, or was, the VM. */
final class PrimaryRole {
  private final SessionCore core;

  /** The log has begun, so that a backup can be ready for it. */
  private boolean logBegan;

  PrimaryRole(SessionCore core) {
    this.core = core;
  }

  void connected(long now) {
    if (core.state == FtState.ALONE) {
      core.backup = false;
      core.epoch++;
      core.newPeer(now);
      logBegan = false;
      core.become(FtState.PAIRING);
    }
  }

  void welcome(long now) {
    if (core.state == FtState.PAIRING && !core.peer.isBeating()) {
      core.peer.startBeating(now);
      core.add(new FtAction.StartLog());
    }
  }

  void logBegan() {
    logBegan |= core.state == FtState.PAIRING;
  }

  void ready() {
    if (core.state != FtState.PAIRING) {
      return;
    }
    if (!logBegan) {
      core.pairingFailed("the backup said Ready before it had the state");
      return;
    }
    core.become(FtState.PROTECTED);
    // The gate first: nothing leaves between the two that the backup might not know of.
    core.add(new FtAction.Gate(GateMode.GATED));
    core.add(new FtAction.SendBegin());
  }

  void acknowledged(PeerMessage.Ack ack) {
    if (core.state == FtState.PAIRING || core.state == FtState.PROTECTED) {
      core.add(new FtAction.Acknowledged(ack));
    }
  }

  void lost(String why) {
    core.noBackup = "backup lost (" + why + ")";
    core.note(core.noBackup + "; claiming the disk");
    core.add(new FtAction.Gate(GateMode.CLOSED));
    core.startClaim();
  }

  void giveUp(String reason) {
    core.noBackup = "the backup is given up: " + reason;
    core.note(core.noBackup + "; claiming the disk");
    core.send(new Bye(Leaving.FAILED, reason));
    core.add(new FtAction.Gate(GateMode.CLOSED));
    core.startClaim();
  }

  /** It answers, so no silence will ever tell, and nothing that it is to do gets done. */
  void peerStalled(String what) {
    switch (core.state) {
      case PROTECTED -> giveUp(what);
      case HANDING_OVER -> {
        core.note("the backup does not take over: " + what + "; claiming the disk");
        core.startClaim();
      }
      case WAITING,
          RECEIVING,
          FOLLOWING,
          CATCHING_UP,
          CLAIMING,
          TAKING_OVER,
          ALONE,
          PAIRING,
          HALTED,
          ENDED -> {
        // Nobody waits for it.
      }
    }
  }

  void won() {
    core.become(FtState.ALONE);
    core.add(new FtAction.CutLog());
    core.add(new FtAction.Gate(GateMode.FREE));
    core.note(
        (core.handedOver ? "the backup did not take over; " : "") + "goes on alone, unprotected");
  }

  /** The word may be lost on its way, so the disk must know too. */
  void detach() {
    core.send(new Bye(Leaving.DETACHED, "detached by the user"));
    core.add(new FtAction.Gate(GateMode.CLOSED));
    core.startClaim();
  }

  /**
   * The backup may be dead already, or die before it goes on: so this side is not over before the
   * disk says that it has lost. It asks only after a while, so that the backup finds no rival.
   */
  void handOver() {
    if (core.state == FtState.PROTECTED) {
      core.add(new FtAction.Gate(GateMode.CLOSED));
      core.send(new Bye(Leaving.HANDOVER, "planned failover"));
      core.handedOver = true;
      core.become(FtState.HANDING_OVER);
    }
  }

  /** The backup has promised never to claim. */
  void left(Bye bye) {
    core.become(FtState.ALONE);
    core.add(new FtAction.Disconnect());
    core.add(new FtAction.CutLog());
    core.add(new FtAction.Gate(GateMode.FREE));
    core.noBackup = "the backup left (" + bye.reason() + ")";
    core.note(core.noBackup + "; runs unprotected");
    if (bye.why() == Leaving.DIVERGED) {
      core.add(new FtAction.Resync());
    }
  }
}
