package lockstep.storage.iscsi;

import java.io.IOException;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.Standing;

/**
 * What is to be done on a new connection before anything else, and again when it is doubtful whose
 * the disk is; on the loop thread of its session.
 */
@FunctionalInterface
public interface Greeting {
  /**
   * @param nexus the connection, with nothing else on it
   * @return what may be sent
   * @throws IOException when the connection is of no use: another one is made
   */
  Standing greet(ScsiTransport nexus) throws IOException;
}
