package lockstep.replay.log;

/** Where a recorder writes. Called by the vCPU thread; no call allocates for a clock reading. */
public interface EntrySink {
  /**
   * Appends a {@link LogEntry.Clock}.
   *
   * @param nanos not less than the last one
   */
  void clock(long nanos);

  /** Appends any other entry. */
  void append(LogEntry entry);
}
