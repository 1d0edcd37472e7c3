package lockstep.replay.ft.primary;

import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.DiskSink;
import lockstep.replay.ft.output.Output;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.vcpu.RoleSwitch;
import lockstep.replay.record.Recorder;

/**
 * The roles of a machine that talks to the world: alone, or recorded for a backup. All that the
 * world can see goes to the gate. vCPU thread only.
 */
public final class Roles {
  private final OutputGate gate;
  private final DiskSink medium;

  /**
   * @param medium takes reads of the disk, which nobody sees, at once
   */
  public Roles(OutputGate gate, DiskSink medium) {
    this.gate = gate;
    this.medium = medium;
  }

  /** Alone: nothing is written down, and no output waits for a position. */
  public RoleSwitch.Role live(HostInputs from) {
    return new RoleSwitch.Role(
        new LiveInputs(from),
        value -> put(new Output.Console(value), gate.nowNanos(), 0),
        request -> disk(request, gate.nowNanos(), 0));
  }

  /** Recorded: the log up to an output leaves with it. */
  RoleSwitch.Role recorded(Recorder recorder, PrimaryLog log) {
    return new RoleSwitch.Role(
        recorder,
        recorder.outputs(value -> put(new Output.Console(value), gate.nowNanos(), log.sendAll())),
        recorder.disk(
            request -> {
              long since = gate.nowNanos();
              disk(request, since, request instanceof BlockRequest.Read ? 0 : log.sendAll());
            }));
  }

  private void put(Output output, long sinceNanos, long position) {
    try {
      gate.put(output, sinceNanos, position);
    } catch (InterruptedException e) {
      // The InputSource finds it at its next question.
      Thread.currentThread().interrupt();
    }
  }

  private void disk(BlockRequest request, long sinceNanos, long position) {
    if (request instanceof BlockRequest.Read) {
      medium.request(request);
    } else {
      put(new Output.Disk(request), sinceNanos, position);
    }
  }
}
