package lockstep.replay.log;

import java.io.IOException;

/** A file that is no log, or one this version cannot read; the message is one line for the user. */
public final class LogFormatException extends IOException {
  private static final long serialVersionUID = 1;

  /**
   * @param what what is wrong, as the end of a sentence about the file
   */
  public LogFormatException(String what) {
    super(what);
  }
}
