package lockstep.replay.ft.disk;

import java.io.IOException;
import lockstep.monitor.output.DiskSink;

/** The guest's disk, as a side of a pair needs it. */
public interface GuestDisk extends DiskSink {
  /**
   * Brings every completed write onto the medium, and waits for it. Not on a thread of the medium.
   *
   * @param limitNanos how long at most
   * @throws IOException when that fails, or takes longer; one line
   */
  void flush(long limitNanos) throws IOException, InterruptedException;

  /**
   * Drops what this host remembers of the disk's content: another host has written to it.
   *
   * @throws IOException when that fails; one line
   */
  void dropCache() throws IOException;
}
