package lockstep.replay.ft.protocol;

import java.util.ArrayList;
import java.util.List;

/** What both roles of an {@link FtSession} share: where it stands, whom it has, what it says. */
final class SessionCore {
  final FtTimes times;
  final List<FtAction> actions = new ArrayList<>();
  FtState state;
  boolean backup;
  long epoch;
  String vm;
  String name;

  /** The other side; of no account in a state without one. */
  PeerWatch peer;

  /** Backup: its user wants it to end unless it wins. */
  boolean stopping;

  /** Primary: the backup was asked to go on. */
  boolean handedOver;

  ClaimTimer claims;

  /** Primary: why the last pair was not formed, or does not exist any more; empty if it does. */
  String noBackup = "";

  SessionCore(FtState state, String name, String vm, FtTimes times) {
    this.state = state;
    this.name = name;
    this.vm = vm;
    this.times = times;
    this.peer = new PeerWatch(times, 0);
    this.claims = new ClaimTimer(times);
    this.backup = state == FtState.WAITING;
  }

  void newPeer(long now) {
    peer = new PeerWatch(times, now);
    claims = new ClaimTimer(times);
    stopping = false;
    handedOver = false;
    noBackup = "";
  }

  boolean hasPeer() {
    return switch (state) {
      case RECEIVING, FOLLOWING, PAIRING, PROTECTED, HANDING_OVER -> true;
      case CATCHING_UP -> !peer.isGivenUp();
      case WAITING, CLAIMING, TAKING_OVER, ALONE, HALTED, ENDED -> false;
    };
  }

  boolean isForming() {
    return state == FtState.PAIRING || state == FtState.RECEIVING;
  }

  void startClaim() {
    become(FtState.CLAIMING);
    add(new FtAction.Disconnect());
    claim();
  }

  void claim() {
    claims.asked();
    add(new FtAction.Claim());
  }

  /** What the disk was asked may still take effect; so this is no end in order. */
  void stopUndecided() {
    halt("stopped while the disk did not say which side goes on");
  }

  void halt(String reason) {
    become(FtState.HALTED);
    add(new FtAction.Gate(GateMode.DEAD));
    // First, so that whoever sees the log end knows why.
    add(new FtAction.Halt(reason));
    add(backup ? new FtAction.EndLog(false) : new FtAction.CutLog());
  }

  void pairingFailed(String reason) {
    switch (state) {
      case PAIRING -> {
        become(FtState.ALONE);
        add(new FtAction.Disconnect());
        add(new FtAction.CutLog());
        noBackup = reason;
        note("not protected: " + reason);
      }
      case RECEIVING -> {
        become(FtState.WAITING);
        send(new PeerMessage.Refuse(reason));
        add(new FtAction.Disconnect());
        add(new FtAction.EndLog(false));
        note("did not become a backup: " + reason);
      }
      case WAITING,
          FOLLOWING,
          CATCHING_UP,
          CLAIMING,
          TAKING_OVER,
          ALONE,
          PROTECTED,
          HANDING_OVER,
          HALTED,
          ENDED -> {
        // Too late to matter, or said out of turn.
      }
    }
  }

  void become(FtState next) {
    state = next;
  }

  void add(FtAction action) {
    actions.add(action);
  }

  void send(PeerMessage message) {
    add(new FtAction.Send(message));
  }

  void note(String text) {
    add(new FtAction.Note(text));
  }
}
