package lockstep.replay.ft.protocol;

/** What an {@link FtSession} wants done; in this order, before it is told anything more. */
public sealed interface FtAction {
  /** Say this to the other side. */
  record Send(PeerMessage message) implements FtAction {}

  /**
   * Send a heartbeat.
   *
   * @param sequence its number
   * @param echo number of the last one heard
   * @param asks whether the other side is to answer at once
   */
  record SendBeat(long sequence, long echo, boolean asks) implements FtAction {}

  /** Primary: say Begin, with the log's position as it is now. */
  record SendBegin() implements FtAction {}

  /** Primary: copy the machine's state into the log, and let the log run from there. */
  record StartLog() implements FtAction {}

  /** Primary: entries go nowhere from now on. */
  record CutLog() implements FtAction {}

  /** Backup: take a machine's state and follow the log. */
  record Receive(PeerMessage.Hello hello) implements FtAction {}

  /** Backup: no more entries come; replay what is here, and say {@link FtEvent.CaughtUp}. */
  record SealLog() implements FtAction {}

  /**
   * Backup: it is decided what becomes of the replay.
   *
   * @param live go live; otherwise stop
   */
  record EndLog(boolean live) implements FtAction {}

  /** Set when outputs leave. */
  record Gate(GateMode mode) implements FtAction {}

  /** Outputs may leave until then if acknowledged. */
  record Lease(long untilNanos) implements FtAction {}

  /** The backup has so many entries. */
  record Acknowledged(PeerMessage.Ack ack) implements FtAction {}

  /** Backup: the primary has let out so many console bytes. */
  record Forget(long consoleBytes) implements FtAction {}

  /** Ask the arbiter, and tell what it says. */
  record Claim() implements FtAction {}

  /** Close the channel and stop the heartbeats. */
  record Disconnect() implements FtAction {}

  /** Stop the guest here, for good and without a word to the world. */
  record Halt(String reason) implements FtAction {}

  /** End this process at once: a part of it has failed, and the other side can go on. */
  record FailStop(String reason) implements FtAction {}

  /** The backup is sound but its machine went astray: copy the state to it anew. */
  record Resync() implements FtAction {}

  /** Tell the user. */
  record Note(String text) implements FtAction {}
}
