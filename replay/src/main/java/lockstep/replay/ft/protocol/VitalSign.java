package lockstep.replay.ft.protocol;

/** What shows that a thread which this side cannot do without does its work. Any thread. */
public interface VitalSign {
  /**
   * Of the threads between a guest and the world, where the host lets them: what they have to do is
   * short, and while it waits for a vCPU, heartbeats are late and outputs wait.
   */
  int NICE = -10;

  /** What it is, for people. */
  String name();

  /** A count that changes whenever the thread moves on. */
  long moves();

  /** Whether it rightly stands: there is nothing to do, or it waits for what the user reads. */
  boolean mayStand();

  /** Whether it may have to wait for the other side of the pair. */
  boolean waitsForPeer();

  /** Has it move on if it can. */
  void nudge();
}
