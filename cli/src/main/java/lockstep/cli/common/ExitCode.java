package lockstep.cli.common;

/** The exit codes that all commands have; a guest may end with another. */
public final class ExitCode {
  /** Done. */
  public static final int DONE = 0;

  /** Something failed; one line on standard error says what. */
  public static final int FAILED = 1;

  /** The command line makes no sense. */
  public static final int USAGE = 2;

  private ExitCode() {}
}
