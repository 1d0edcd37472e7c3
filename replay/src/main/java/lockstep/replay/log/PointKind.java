package lockstep.replay.log;

/** Numbers of the kinds of execution points in the log. */
final class PointKind {
  static final int AT_EXIT = 1;
  static final int STEP = 2;
  static final int COUNTER = 3;
  static final int STATE_SYNC = 4;
  static final int PAGE_BYTES = 4096;

  private PointKind() {}
}
