package lockstep.replay.ft.vcpu;

import java.util.Optional;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.Scheduler;
import lockstep.sys.SysException;

/**
 * Connects a machine whose role changes with the inputs and outputs of its present role, which is
 * exchanged between two runs. At every stop {@link VcpuCommands} come first. vCPU thread.
 */
public final class RoleSwitch implements InputSource, OutputSink {
  private static final long PAUSE_SLICE_NANOS = 100_000_000L;

  /** A role: where inputs come from and outputs go to. */
  public record Role(InputSource inputs, OutputSink outputs) {}

  private final Scheduler host;
  private final VcpuCommands commands;
  private Role role;

  /** Whether the machine left its run for what was asked of it, and for nothing else. */
  private boolean left;

  /**
   * A switch in its first role.
   *
   * @param commands what others ask of the machine
   */
  public RoleSwitch(Scheduler host, VcpuCommands commands, Role first) {
    this.host = host;
    this.commands = commands;
    this.role = first;
  }

  /** Takes another role; between two runs. */
  public void become(Role next) {
    role = next;
  }

  /**
   * Runs a machine of this switch to its end, and in between does the tasks that others ask for.
   *
   * @return why it ended; of no account when it was halted
   * @throws Exception what the machine or a task threw
   */
  public RunResult run(VirtualMachine machine) throws Exception {
    commands.inRun(true);
    try {
      while (true) {
        RunResult result = machine.run();
        if (!left) {
          return result;
        }
        left = false;
        Optional<RunResult> ended = commands.runTasks();
        if (ended.isPresent() || commands.state() == VcpuCommands.State.HALTS) {
          return ended.orElse(result);
        }
      }
    } finally {
      commands.inRun(false);
    }
  }

  /** One run of a machine that does not come back for what others ask: it follows a log. */
  public RunResult enter(VirtualMachine machine) throws SysException, InterruptedException {
    commands.inRun(true);
    try {
      return machine.run();
    } finally {
      commands.inRun(false);
    }
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    while (true) {
      switch (commands.order()) {
        case RUN -> {
          return role.inputs().next(position);
        }
        case LEAVE -> {
          left = true;
          return Action.STOP;
        }
        case WAIT -> {
          host.park(this, PAUSE_SLICE_NANOS);
          if (Thread.interrupted()) {
            throw new InterruptedException("vCPU thread told to end");
          }
        }
      }
    }
  }

  @Override
  public ExternalInput input() {
    return role.inputs().input();
  }

  @Override
  public long nowNanos() {
    return role.inputs().nowNanos();
  }

  @Override
  public Bytes entropy(int count) {
    return role.inputs().entropy(count);
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    role.inputs().armTimer(timer, deadlineNanos);
  }

  @Override
  public void delivered(int vector) {
    role.inputs().delivered(vector);
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    role.inputs().guestExit(exit, address, sizeBytes, data);
  }

  @Override
  public void consoleByte(int value) {
    role.outputs().consoleByte(value);
  }

  @Override
  public void request(int disk, BlockRequest request) {
    role.outputs().request(disk, request);
  }
}
