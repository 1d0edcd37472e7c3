package lockstep.monitor.snapshot;

/** Bytes that cannot be taken as a machine's state; the message is one line, without the file. */
public final class SnapshotException extends Exception {
  private static final long serialVersionUID = 1L;

  /**
   * @param problem what is wrong, as the end of a sentence about the snapshot
   */
  public SnapshotException(String problem) {
    super(problem);
  }

  /** The same with what found it. */
  public SnapshotException(String problem, Throwable cause) {
    super(problem, cause);
  }
}
