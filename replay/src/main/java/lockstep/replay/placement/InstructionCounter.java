package lockstep.replay.placement;

import java.util.Optional;
import lockstep.sys.SysException;

/**
 * Counts some of the instructions that the guest retires, and can stop the guest near a count. What
 * is counted does not matter as long as two runs of the same guest code count the same.
 *
 * <p>Used by the vCPU thread only, except for {@link #close}.
 */
public interface InstructionCounter extends AutoCloseable {
  /** What {@link #read} returns when the count is not exact. */
  long INEXACT = -1;

  /** Why there is no counter here, one line; empty when there is one. */
  Optional<String> missing();

  /** Counts from 0 from here on. Called at every guest exit while recording: has to be cheap. */
  void start() throws SysException;

  /**
   * Counts from 0 from here on, and asks for a host stop near a count. It may come early, late or
   * never: the caller looks at {@link #read} after every stop.
   *
   * @param count at least 1
   */
  void startAndStopAfter(long count) throws SysException;

  /** The count since the last start, or {@link #INEXACT}. */
  long read() throws SysException;

  /**
   * How many counts past the asked-for one the guest may come before it stands. Who wants to stand
   * before a point asks for a stop this much earlier; a stop that is later all the same is found by
   * its count, so a value that is too small costs a divergence, never a wrong placement.
   */
  long skidMargin();

  /** Gives the counter back; after the vCPU thread has ended, or on it. */
  @Override
  void close();

  /**
   * The counter of a host that has none: its count is never exact.
   *
   * @param reason one line for people
   */
  static InstructionCounter none(String reason) {
    return new NoCounter(reason);
  }
}
