package lockstep.cli.pair;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import lockstep.cli.common.AllClosed;
import lockstep.monitor.block.BlockDevice;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.storage.FileLease;
import lockstep.storage.SharedDisk;

/**
 * What a side of a pair has open of the storage.
 *
 * @param arbiter settles who goes on
 * @param media the guest's disks
 * @param leases what is asked before each write to an image
 * @param guarantees what can be relied on, for people; one line
 * @param open all that is open for them
 */
record PairDisk(
    Arbiter arbiter,
    List<BlockDevice> media,
    List<FileLease> leases,
    String guarantees,
    List<SharedDisk> open)
    implements AutoCloseable {
  PairDisk {
    media = List.copyOf(media);
    leases = List.copyOf(leases);
    open = List.copyOf(open);
  }

  /** Waits for requests in flight; claims stay. */
  @Override
  public void close() throws IOException {
    List<AllClosed.Part> parts = new ArrayList<>();
    parts.add(arbiter::close);
    open.forEach(disk -> parts.add(disk::close));
    AllClosed.close(parts);
  }
}
