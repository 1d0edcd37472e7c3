package lockstep.storage.scsi;

import java.io.IOException;
import lockstep.monitor.state.Bytes;

/** A unit sent data that is not what the command asked for, or less. */
public final class MalformedReply extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * @param command its name
   * @param data what came
   */
  public MalformedReply(String command, Bytes data) {
    super(command + " has a malformed answer: " + data);
  }
}
