package lockstep.cli.run;

import java.io.IOException;
import java.util.List;
import lockstep.cli.common.AllClosed;
import lockstep.cli.common.CommandFailure;
import lockstep.kvm.Cpuid;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.host.DiskBridges;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.output.DiskSink;

/** The media of the disks of a machine that runs here. */
public final class LocalDisk implements DiskSink, AutoCloseable {
  private final List<BlockDevice> media;
  private final DiskBridges bridges = new DiskBridges();

  /**
   * @param media of each disk; closed with this
   * @param queue takes completions
   */
  LocalDisk(List<BlockDevice> media, InputQueue queue) {
    this.media = media;
    bridges.connect(media, queue::offer, WritePermit.ALWAYS);
  }

  /**
   * What to build a machine with these disks from.
   *
   * @param supported what CPUID this host's KVM offers
   * @throws CommandFailure when a saved machine has other disks
   */
  MachineOrigin origin(Start start, Cpuid supported) throws CommandFailure {
    return origin(media, start, supported);
  }

  /** The same for disks that others carry out the requests of. */
  public static MachineOrigin origin(List<BlockDevice> media, Start start, Cpuid supported)
      throws CommandFailure {
    MachineConfig config = start.config();
    List<Geometry> here = media.stream().map(BlockDevice::geometry).toList();
    if (start instanceof Start.Boot) {
      return MachineOrigin.here(config.withDisks(here), start.quirks(), supported);
    }
    List<Geometry> saved = config.disks();
    if (here.size() != saved.size()) {
      throw new CommandFailure(
          saved.isEmpty()
              ? "the saved machine has no disk"
              : "the saved machine has %s, and %s given"
                  .formatted(
                      disks(saved.size()),
                      disks(here.size()) + (here.size() == 1 ? " is" : " are")),
          SAME_DISKS);
    }
    for (int i = 0; i < saved.size(); i++) {
      if (!here.get(i).equals(saved.get(i))) {
        throw new CommandFailure(
            "the saved machine's disk %d has %d bytes in blocks of %d, and the given one is another"
                .formatted(i, saved.get(i).capacityBytes(), saved.get(i).blockBytes()),
            SAME_DISKS);
      }
    }
    return start.origin(supported);
  }

  private static final String SAME_DISKS =
      "give --disk the same ones, as they were when the machine was saved";

  private static String disks(int count) {
    return count == 0 ? "no disk" : count == 1 ? "1 disk" : count + " disks";
  }

  @Override
  public void request(int disk, BlockRequest request) {
    bridges.request(disk, request);
  }

  /** Asks again for what a restored machine waits for, unless the answer is here already. */
  void resume(Machine machine, List<ExternalInput> pending) {
    machine
        .diskRequestsUnanswered(pending)
        .forEach(asked -> request(asked.disk(), asked.request()));
  }

  @Override
  public void close() throws CommandFailure {
    bridges.close();
    try {
      AllClosed.close(media.stream().<AllClosed.Part>map(one -> one::close).toList());
    } catch (IOException e) {
      throw new CommandFailure(
          "disk, at the end: " + e.getMessage(), "see lockstep disk info, and check its data", e);
    }
  }
}
