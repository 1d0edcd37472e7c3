package lockstep.monitor.host;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.output.DiskSink;
import org.jspecify.annotations.Nullable;

/**
 * The bridges to the media of all of a machine's disks. It has none until {@link #connect}: a
 * machine wants to know where its requests go before it can say where their completions go. Any
 * thread.
 */
public class DiskBridges implements DiskSink, AutoCloseable {
  private volatile List<DiskBridge> bridges = List.of();

  /** Without any bridge. */
  public DiskBridges() {}

  /**
   * Makes a bridge to each medium; the media stay their owner's, who closes them after this. Once.
   *
   * @param inbox takes completions
   * @param permit see {@link DiskBridge}
   */
  public final void connect(List<BlockDevice> media, DiskBridge.Inbox inbox, WritePermit permit) {
    List<DiskBridge> made = new ArrayList<>();
    for (int i = 0; i < media.size(); i++) {
      made.add(new DiskBridge(i, media.get(i), inbox, permit));
    }
    bridges = List.copyOf(made);
  }

  @Override
  public final void request(int disk, BlockRequest request) {
    bridges.get(disk).request(request);
  }

  /** The permit's answer may be another one now. */
  public final void permitChanged() {
    bridges.forEach(DiskBridge::permitChanged);
  }

  /**
   * Brings every completed write onto its medium, and waits for it. Not on a thread of a medium.
   *
   * @param limitNanos how long at most, for all of them
   * @throws IOException when that fails, or takes longer; one line
   */
  public final void flush(long limitNanos) throws IOException, InterruptedException {
    long startNanos = System.nanoTime();
    for (DiskBridge bridge : bridges) {
      bridge.flush(Math.max(0, limitNanos - (System.nanoTime() - startNanos)));
    }
  }

  /**
   * Drops what this host remembers of the media.
   *
   * @throws IOException the first failure, when all were asked; one line
   */
  public final void dropCache() throws IOException {
    @Nullable IOException first = null;
    for (DiskBridge bridge : bridges) {
      try {
        bridge.dropCache();
      } catch (IOException e) {
        first = first == null ? e : first;
      }
    }
    if (first != null) {
      throw first;
    }
  }

  /** Requests that wait are dropped, and completions from now on lost. */
  @Override
  public final void close() {
    bridges.forEach(DiskBridge::close);
  }
}
