package lockstep.monitor.snapshot;

/** Told how far the writing or reading of guest memory has come. Must not block for long. */
@FunctionalInterface
public interface Progress {
  /** Nobody wants to know. */
  Progress NONE = (doneBytes, totalBytes) -> {};

  /**
   * Called after each chunk, at least once, at the end with both numbers equal.
   *
   * @param doneBytes guest memory dealt with so far
   * @param totalBytes all guest memory
   */
  void at(long doneBytes, long totalBytes);
}
