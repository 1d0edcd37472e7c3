package lockstep.replay.ft.protocol;

import lockstep.replay.ft.disk.Claimant;

/**
 * How one side of a pair stands, for people and programs.
 *
 * @param state the session's
 * @param name what the user calls the VM; empty for a backup that has none
 * @param vm its identity
 * @param epoch of the present or last pair
 * @param side which side of it this is or was
 * @param peer the other side's address; empty without one
 * @param datagrams whether the other side's heartbeats come by UDP, as far as is known
 * @param noBackup primary: why its last pair was not formed, or is over; empty if neither
 * @param transfer how far the log is
 */
public record FtStatus(
    FtState state,
    String name,
    String vm,
    long epoch,
    Claimant.Side side,
    String peer,
    boolean datagrams,
    String noBackup,
    Transfer transfer) {
  /**
   * The log of the present or last pair, as this side sees it.
   *
   * @param entries that the primary has sent or the backup received: where the log is
   * @param acknowledgedEntries that the backup has
   * @param replayedEntries that the backup's machine has taken
   * @param channelBytes sent or received, with the machine's state
   * @param lagNanos how old the oldest entry is that the backup has not replayed; the primary's to
   *     know, 0 at the backup
   */
  public record Transfer(
      long entries,
      long acknowledgedEntries,
      long replayedEntries,
      long channelBytes,
      long lagNanos) {
    /** No log yet. */
    public static final Transfer NONE = new Transfer(0, 0, 0, 0, 0);
  }

  public static FtStatus of(FtSession session, String peer, Transfer transfer) {
    return new FtStatus(
        session.state(),
        session.name(),
        session.vm(),
        session.epoch(),
        session.side(),
        peer,
        session.hasDatagrams(),
        session.noBackup(),
        transfer);
  }
}
