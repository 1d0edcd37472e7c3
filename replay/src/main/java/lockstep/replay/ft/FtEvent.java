package lockstep.replay.ft;

/** What an {@link FtSession} is told. */
public sealed interface FtEvent {
  /** The user wants a backup; a connection to it stands. */
  record Connected() implements FtEvent {}

  /** The other side said this. */
  record Said(PeerMessage message) implements FtEvent {}

  /**
   * A heartbeat of the other side.
   *
   * @param sequence its number, from 1
   * @param echo number of the last heartbeat that the other side has heard from here; 0 for none
   */
  record Beat(long sequence, long echo) implements FtEvent {}

  /**
   * The logging channel is gone.
   *
   * @param byPeer the other side's kernel closed it: the process there has ended or given it up
   */
  record Closed(boolean byPeer) implements FtEvent {}

  /** Time has passed; comes once per heartbeat interval. */
  record Tick() implements FtEvent {}

  /** Backup: the machine's state is here, and the disk knows this side. */
  record Restored() implements FtEvent {}

  /** Either side: the pair cannot be formed. */
  record PairingFailed(String reason) implements FtEvent {}

  /** The arbiter answered. */
  record Ruled(Arbiter.Ruling ruling) implements FtEvent {}

  /** Backup: the log is consumed and the guest runs here. */
  record WentLive() implements FtEvent {}

  /** Backup: the replay did something else than the log says. */
  record Diverged(String reason) implements FtEvent {}

  /** The guest has ended in order; everything it showed has left. */
  record GuestEnded(String how) implements FtEvent {}

  /** The storage refused a write of this side, because another host has the disk. */
  record Fenced(String reason) implements FtEvent {}

  /** The user wants no backup any more (primary), or no part in it (backup). */
  record Detach() implements FtEvent {}

  /** Primary: the guest stands, all it showed has left, and the other side is to go on. */
  record HandOver() implements FtEvent {}
}
