package lockstep.monitor.snapshot;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Bytes that cannot be taken as a machine's state. */
public final class SnapshotException extends Exception {
  private static final long serialVersionUID = 1L;

  private final String problem;
  private final @Nullable String remedy;

  /**
   * @param problem see {@link #problem}
   */
  public SnapshotException(String problem) {
    super("snapshot " + problem);
    this.problem = problem;
    this.remedy = null;
  }

  /**
   * The same, for something that the user can do more about than to give other bytes.
   *
   * @param remedy what to do, one clause
   */
  public SnapshotException(String problem, String remedy) {
    super("snapshot " + problem);
    this.problem = problem;
    this.remedy = remedy;
  }

  /** The same with what found it. */
  public SnapshotException(String problem, Throwable cause) {
    super("snapshot " + problem, cause);
    this.problem = problem;
    this.remedy = null;
  }

  /** What is wrong, one line that follows the name of the snapshot: "is cut off: ...". */
  public String problem() {
    return problem;
  }

  /** What to do about it; empty when the bytes are no good to anybody. */
  public Optional<String> remedy() {
    return Optional.ofNullable(remedy);
  }
}
