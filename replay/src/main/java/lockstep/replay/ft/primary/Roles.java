package lockstep.replay.ft.primary;

import java.util.function.LongSupplier;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.output.OutputSink;
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
  private final DiskSink disks;

  /**
   * @param disks take reads, which the world does not see, at once
   */
  public Roles(OutputGate gate, DiskSink disks) {
    this.gate = gate;
    this.disks = disks;
  }

  /** Alone: nothing is written down, and no output waits for a position. */
  public RoleSwitch.Role live(HostInputs from) {
    return new RoleSwitch.Role(new LiveInputs(from), new Gated(() -> 0));
  }

  /** Recorded: the log up to an output leaves with it. */
  RoleSwitch.Role recorded(Recorder recorder, PrimaryLog log) {
    return new RoleSwitch.Role(recorder, recorder.outputs(new Gated(log::sendAll)));
  }

  /** Gives to the gate what the world can see, and to the disks what it cannot. */
  private final class Gated implements OutputSink {
    private final LongSupplier position;

    /**
     * @param position sends the log up to here, and says how many entries it has
     */
    Gated(LongSupplier position) {
      this.position = position;
    }

    @Override
    public void consoleByte(int value) {
      long sinceNanos = gate.nowNanos();
      put(new Output.Console(value), sinceNanos, position.getAsLong());
    }

    @Override
    public void request(int disk, BlockRequest request) {
      if (request.changes()) {
        long sinceNanos = gate.nowNanos();
        put(new Output.Disk(disk, request), sinceNanos, position.getAsLong());
      } else {
        disks.request(disk, request);
      }
    }
  }

  private void put(Output output, long sinceNanos, long position) {
    try {
      gate.put(output, sinceNanos, position);
    } catch (InterruptedException e) {
      // The InputSource finds it at its next question.
      Thread.currentThread().interrupt();
    }
  }
}
