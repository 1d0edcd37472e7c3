package lockstep.monitor.input;

/**
 * A device's one-shot timer. Arming is not an input; the expiry comes back as {@link
 * ExternalInput.TimerExpiry} at an execution point the InputSource chooses.
 */
public interface TimerPort {
  /** No deadline: the timer is off. */
  long NEVER = Long.MAX_VALUE;

  /** Replaces the deadline, in guest clock nanoseconds; {@link #NEVER} switches the timer off. */
  void arm(long deadlineNanos);
}
