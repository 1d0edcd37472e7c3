package lockstep.monitor.input;

import lockstep.monitor.state.Bytes;

/**
 * Where a device gets random bytes: a polled input, answered while a guest exit is handled, as the
 * clock is. A log has them, so that a replay gives the guest the same.
 */
@FunctionalInterface
public interface EntropySource {
  /** What one call gives at most. */
  int MAX_BYTES = 64;

  /**
   * So many random bytes.
   *
   * @param count 1 to {@link #MAX_BYTES}
   */
  Bytes entropy(int count);
}
