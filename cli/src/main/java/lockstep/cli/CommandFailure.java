package lockstep.cli;

/** A command cannot do what it was asked; the message is the one line the user sees. */
final class CommandFailure extends Exception {
  private static final long serialVersionUID = 1L;

  /**
   * @param what what failed, on what
   * @param remedy what the user can do
   */
  CommandFailure(String what, String remedy) {
    super(what + "; " + remedy);
  }

  /** The same with the error that led to it, for {@code -v}. */
  CommandFailure(String what, String remedy, Throwable cause) {
    super(what + "; " + remedy, cause);
  }
}
