package lockstep.storage.scsi;

import java.io.IOException;
import lockstep.monitor.state.Bytes;

/**
 * The way to one logical unit, as one I_T nexus (SAM-5, 4.6): what is registered through it stays
 * registered for every later command through it. Any thread may call; calls block for a bounded
 * time.
 */
public interface ScsiTransport {
  /**
   * Carries out one command, and retries it for no reason: what the unit answers, a unit attention
   * too, is the caller's to judge.
   *
   * @param cdb 6 to 16 bytes
   * @param dataOut what goes to the unit; empty for none. A command moves data one way only
   * @param dataInBytes what it may send at most, 0 when there is data out
   * @param timeoutMillis how long to wait for the answer, a lost connection included
   * @throws IOException when there is no answer; the command may have been carried out
   */
  ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
      throws IOException;

  /**
   * LOGICAL UNIT RESET (SAM-5, 7.7): ends every command of every initiator that the unit has not
   * carried out yet. When it returns none of them will touch the medium any more.
   *
   * @param timeoutMillis as above
   * @throws IOException when the unit refuses or does not answer; one line
   */
  void resetUnit(int timeoutMillis) throws IOException;

  /** What it leads to, for messages. */
  String name();
}
