package lockstep.replay.ft;

/** What shows that a thread which this side cannot do without does its work. Any thread. */
public interface VitalSign {
  /** What it is, for people. */
  String name();

  /** A count that changes whenever the thread moves on. */
  long moves();

  /**
   * Whether it rightly stands: there is nothing to do, or it waits for another side or the user.
   */
  boolean mayStand();
}
