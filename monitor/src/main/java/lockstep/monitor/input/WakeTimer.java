package lockstep.monitor.input;

/** Wakes the vCPU thread at a host time, so that a guest that makes no exits gets its timer. */
public interface WakeTimer {
  /**
   * Replaces the wake-up time.
   *
   * @param hostNanos on the scale of {@link System#nanoTime}; {@link Long#MAX_VALUE} = none
   */
  void wakeAt(long hostNanos);
}
