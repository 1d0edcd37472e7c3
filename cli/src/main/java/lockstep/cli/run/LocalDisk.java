package lockstep.cli.run;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import lockstep.cli.common.CommandFailure;
import lockstep.kvm.Cpuid;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.host.DiskBridge;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.output.DiskSink;

/** The medium behind the disk of a machine that runs here, or none. */
public final class LocalDisk implements DiskSink, AutoCloseable {
  private final Optional<BlockDevice> medium;
  private final Optional<DiskBridge> bridge;

  /**
   * @param medium closed with this
   * @param queue takes completions
   */
  LocalDisk(Optional<BlockDevice> medium, InputQueue queue) {
    this.medium = medium;
    this.bridge = medium.map(present -> new DiskBridge(present, queue::offer));
  }

  /**
   * What to build a machine with this disk from.
   *
   * @param supported what CPUID this host's KVM offers
   * @throws CommandFailure when a saved machine has another disk
   */
  MachineOrigin origin(Start start, Cpuid supported) throws CommandFailure {
    return origin(medium, start, supported);
  }

  /** The same for a disk that others carry out the requests of. */
  public static MachineOrigin origin(Optional<BlockDevice> medium, Start start, Cpuid supported)
      throws CommandFailure {
    MachineConfig config = start.config();
    if (start instanceof Start.Boot) {
      return MachineOrigin.here(
          medium.map(present -> config.withDisk(present.geometry())).orElse(config),
          start.quirks(),
          supported);
    }
    Optional<Geometry> here = medium.map(BlockDevice::geometry);
    if (!here.equals(config.disk())) {
      throw new CommandFailure(
          config.disk().isEmpty()
              ? "the saved machine has no disk"
              : "the saved machine has a disk of %d bytes in blocks of %d, %s"
                  .formatted(
                      config.disk().get().capacityBytes(),
                      config.disk().get().blockBytes(),
                      here.isEmpty() ? "and none is given" : "and the given one is another"),
          "give --disk the same one, as it was when the machine was saved");
    }
    return start.origin(supported);
  }

  @Override
  public void request(BlockRequest request) {
    bridge
        .orElseThrow(() -> new IllegalStateException("a disk request, and no disk"))
        .request(request);
  }

  /** Asks again for what a restored machine waits for, unless the answer is here already. */
  void resume(Machine machine, List<ExternalInput> pending) {
    machine.diskRequestsUnanswered(pending).forEach(this::request);
  }

  @Override
  public void close() throws CommandFailure {
    bridge.ifPresent(DiskBridge::close);
    try {
      if (medium.isPresent()) {
        medium.get().close();
      }
    } catch (IOException e) {
      throw new CommandFailure(
          "disk, at the end: " + e.getMessage(), "see lockstep disk info, and check its data", e);
    }
  }
}
