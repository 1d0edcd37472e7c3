package lockstep.replay.log;

import java.io.IOException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A file that is no log, or one this version cannot read; the message is one line for the user. */
public final class LogFormatException extends IOException {
  private static final long serialVersionUID = 1;

  private final @Nullable String remedy;

  /**
   * @param what what is wrong, as the end of a sentence about the file
   */
  public LogFormatException(String what) {
    super(what);
    this.remedy = null;
  }

  /**
   * The same, for something that the user can do more about than to give another file.
   *
   * @param remedy what to do, one clause
   */
  public LogFormatException(String what, String remedy) {
    super(what);
    this.remedy = remedy;
  }

  /** What to do about it; empty when the file is no good to anybody. */
  public Optional<String> remedy() {
    return Optional.ofNullable(remedy);
  }
}
