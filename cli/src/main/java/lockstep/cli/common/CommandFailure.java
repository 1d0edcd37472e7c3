package lockstep.cli.common;

import java.io.IOException;

/** A command cannot do what it was asked; the message is the one line the user sees. */
public final class CommandFailure extends Exception {
  private static final long serialVersionUID = 1L;

  /**
   * @param what what failed, on what
   * @param remedy what the user can do
   */
  public CommandFailure(String what, String remedy) {
    super(what + "; " + remedy);
  }

  /**
   * What an error says, which may end with "; " and what the user can do.
   *
   * @param before what failed, on what
   * @param remedy for an error that knows none
   */
  public static CommandFailure of(String before, IOException e, String remedy) {
    String problem = before + e.getMessage();
    int own = problem.lastIndexOf("; ");
    return own < 0
        ? new CommandFailure(problem, remedy, e)
        : new CommandFailure(problem.substring(0, own), problem.substring(own + 2), e);
  }

  /** The same with the error that led to it, for {@code -v}. */
  public CommandFailure(String what, String remedy, Throwable cause) {
    super(what + "; " + remedy, cause);
  }
}
