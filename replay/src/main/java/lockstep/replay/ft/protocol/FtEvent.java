package lockstep.replay.ft.protocol;

import lockstep.replay.ft.disk.Arbiter;

/** What an {@link FtSession} is told. */
public sealed interface FtEvent {
  /** The user wants a backup; a connection to it stands. */
  record Connected() implements FtEvent {}

  /** A message of the other side. */
  record Message(PeerMessage message) implements FtEvent {}

  /**
   * A heartbeat of the other side.
   *
   * @param sequence its number, from 1
   * @param echo number of the last heartbeat that the other side has heard from here; 0 for none
   * @param datagram whether it came by UDP
   * @param asks whether the other side, whose channel is closed, wants to hear one at once
   */
  record Beat(long sequence, long echo, boolean datagram, boolean asks) implements FtEvent {}

  /** Some bytes came by the logging channel, if only a part of a message: a sign of life. */
  record Bytes() implements FtEvent {}

  /**
   * The logging channel is gone.
   *
   * @param byPeer the other side's kernel closed it: the process there has ended or given it up
   */
  record Closed(boolean byPeer) implements FtEvent {}

  /** Time has passed; comes once per heartbeat interval. */
  record Tick() implements FtEvent {}

  /** Primary: the state is whole, and entries follow. */
  record LogBegan() implements FtEvent {}

  /** Backup, while it forms a pair: so many entries of the log are here. */
  record Received(long entries) implements FtEvent {}

  /** Backup: the replay has taken all that came, compared it, and the log has ended. */
  record CaughtUp() implements FtEvent {}

  /** A thread that this side cannot do without stands still. */
  record Stalled(String what) implements FtEvent {}

  /** Primary: the backup is heard of, and does not get on. */
  record PeerStalled(String what) implements FtEvent {}

  /** The other side sent what cannot be true. */
  record Violation(String reason) implements FtEvent {}

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
