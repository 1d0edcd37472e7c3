package lockstep.monitor.input;

/** The guest's only clock. Every reading is an external input: it is logged and replayed. */
public interface GuestClock {
  /** Nanoseconds since the machine was created; never decreases; stands still while paused. */
  long nowNanos();
}
