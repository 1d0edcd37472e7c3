package lockstep.monitor.boot;

import org.jspecify.annotations.Nullable;

/** A kernel, initrd, module or command line that cannot be booted, said in one line. */
public final class BootException extends Exception {
  private static final long serialVersionUID = 1L;

  private final String file;
  private final String problem;
  private final String remedy;

  /**
   * One line of the form {@code FILE: PROBLEM; REMEDY}.
   *
   * @param file what it is about, as the user named it
   * @param problem what is wrong with it
   * @param remedy what the user can do
   */
  public BootException(String file, String problem, String remedy) {
    this(file, problem, remedy, null);
  }

  BootException(String file, String problem, String remedy, @Nullable Throwable cause) {
    super(cause);
    this.file = file;
    this.problem = problem;
    this.remedy = remedy;
  }

  @Override
  public String getMessage() {
    return file + ": " + problem + "; " + remedy;
  }

  /** What it is about, as the user named it. */
  public String file() {
    return file;
  }

  /** What is wrong. */
  public String problem() {
    return problem;
  }

  /** What to do about it. */
  public String remedy() {
    return remedy;
  }
}
