package lockstep.monitor.snapshot;

/** Bytes that cannot be taken as a machine's state. */
public final class SnapshotException extends Exception {
  private static final long serialVersionUID = 1L;

  private final String problem;

  /**
   * @param problem see {@link #problem}
   */
  public SnapshotException(String problem) {
    super("snapshot " + problem);
    this.problem = problem;
  }

  /** The same with what found it. */
  public SnapshotException(String problem, Throwable cause) {
    super("snapshot " + problem, cause);
    this.problem = problem;
  }

  /** What is wrong, one line that follows the name of the snapshot: "is cut off: ...". */
  public String problem() {
    return problem;
  }
}
