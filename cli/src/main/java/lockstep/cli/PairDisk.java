package lockstep.cli;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import lockstep.monitor.block.BlockDevice;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.storage.FileLease;
import lockstep.storage.SharedDisk;

/**
 * What a side of a pair has open of the storage.
 *
 * @param arbiter settles who goes on
 * @param medium the guest's disk, if it has one
 * @param lease what is asked before each write, if there is one
 * @param guarantees what can be relied on, for people; one line
 * @param open all that is open for them
 */
record PairDisk(
    Arbiter arbiter,
    Optional<BlockDevice> medium,
    Optional<FileLease> lease,
    String guarantees,
    List<SharedDisk> open)
    implements AutoCloseable {
  PairDisk {
    open = List.copyOf(open);
  }

  /** Waits for requests in flight; claims stay. */
  @Override
  public void close() throws IOException {
    IOException first = null;
    try {
      arbiter.close();
    } catch (IOException e) {
      first = e;
    }
    for (SharedDisk disk : open) {
      try {
        disk.close();
      } catch (IOException e) {
        first = first == null ? e : first;
      }
    }
    if (first != null) {
      throw first;
    }
  }
}
