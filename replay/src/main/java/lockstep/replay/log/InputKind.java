package lockstep.replay.log;

/** Numbers of the kinds of placed inputs in the log. */
final class InputKind {
  static final int TIMER = 1;
  static final int CONSOLE = 2;
  static final int DECISION = 3;
  static final int DISK = 4;

  /** Of a decision. */
  static final int STOP = 1;

  static final int RESET = 2;

  private InputKind() {}
}
