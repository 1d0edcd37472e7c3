package lockstep.replay.log;

import org.jspecify.annotations.Nullable;

/** Where a replayer reads. Called by the vCPU thread; no clock reading allocates. */
public interface EntrySource {
  /**
   * The kind of the next entry, or null at the end of what there is. Does not consume it. A source
   * that is fed from elsewhere may block until it has one.
   */
  LogEntry.@Nullable Kind peekKind();

  /** Takes a {@link LogEntry.Clock}, which {@link #peekKind} must have announced. */
  long takeClock();

  /** Looks at the next entry without consuming it; null at the end. */
  @Nullable LogEntry peek();

  /** Takes the next entry, of any kind. */
  LogEntry take();

  /** How many entries were taken: the position of the next one. */
  long position();
}
