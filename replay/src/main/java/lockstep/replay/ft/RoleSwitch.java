package lockstep.replay.ft;

import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import lockstep.monitor.Machine;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.Scheduler;
import lockstep.sys.SysException;

/**
 * The one door of a machine whose role changes: what stands behind it is exchanged between two runs
 * or, where it stays the same, the machine is paused, or looked at while it stands. Owned by the
 * vCPU thread, but for pausing and asking for a look.
 */
public final class RoleSwitch implements InputSource, OutputSink, DiskSink {
  private static final long PAUSE_SLICE_NANOS = 100_000_000L;

  /** A role: where inputs come from and outputs go to. */
  public record Role(InputSource inputs, OutputSink console, DiskSink disk) {}

  private final Scheduler host;
  private Role role;
  private volatile boolean paused;

  /** Looks that nobody has had yet. */
  private final ConcurrentLinkedQueue<FutureTask<Optional<RunResult>>> looks =
      new ConcurrentLinkedQueue<>();

  private volatile boolean lookable;

  /** Whether the machine was stopped for looks, and by nothing else. vCPU thread. */
  private boolean stopped;

  /** A switch in its first role. */
  public RoleSwitch(Role first) {
    this(Scheduler.HOST, first);
  }

  /** The same by another host's clock. */
  public RoleSwitch(Scheduler host, Role first) {
    this.host = host;
    this.role = first;
  }

  /** Takes another role; between two runs. */
  public void become(Role next) {
    role = next;
  }

  /** Holds the machine at its next stop, or lets it go on. Any thread; kick the machine after. */
  public void pause(boolean on) {
    paused = on;
  }

  /** Whether the machine is to stand still. */
  public boolean isPaused() {
    return paused;
  }

  /** Something that is done with a machine while it stands, on its thread. */
  @FunctionalInterface
  public interface Look {
    /**
     * Must leave the machine as it is.
     *
     * @return how the guest ended itself in finishing its last instruction, as {@link Machine#save}
     */
    Optional<RunResult> look() throws Exception;
  }

  /**
   * Asks for something to be done while the machine stands between two instructions; also when it
   * is paused. It is no input, so no log has it. Any thread; kick the machine after.
   *
   * @return the result to come; cancelled when the machine may not be looked at, or is over before
   */
  public Future<Optional<RunResult>> look(Look work) {
    FutureTask<Optional<RunResult>> task = new FutureTask<>(work::look);
    looks.add(task);
    if (!lookable) {
      cancelLooks();
    }
    return task;
  }

  /**
   * Runs a machine with this door, and stops in between to let it be looked at. vCPU thread.
   *
   * @return why it ended or stopped
   */
  public RunResult run(VirtualMachine machine) throws SysException, InterruptedException {
    while (true) {
      RunResult result = machine.run();
      if (!stopped) {
        return result;
      }
      stopped = false;
      Optional<RunResult> ended = lookAll();
      if (ended.isPresent()) {
        return ended.get();
      }
    }
  }

  private Optional<RunResult> lookAll() {
    Optional<RunResult> ended = Optional.empty();
    FutureTask<Optional<RunResult>> task = looks.poll();
    while (task != null && ended.isEmpty()) {
      task.run();
      // One that failed is its asker's matter, and one that was cancelled nobody's.
      ended = task.state() == Future.State.SUCCESS ? task.resultNow() : ended;
      task = ended.isEmpty() ? looks.poll() : task;
    }
    return ended;
  }

  /**
   * Says whether the machine runs as the VM and may be looked at: no when it is over, or follows.
   */
  public void lookable(boolean now) {
    lookable = now;
    if (!now) {
      cancelLooks();
    }
  }

  private void cancelLooks() {
    FutureTask<Optional<RunResult>> task = looks.poll();
    while (task != null) {
      boolean unused = task.cancel(false);
      task = looks.poll();
    }
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    while (paused && looks.isEmpty()) {
      host.park(this, PAUSE_SLICE_NANOS);
      if (Thread.interrupted()) {
        throw new InterruptedException("vCPU thread told to end");
      }
    }
    if (!looks.isEmpty()) {
      stopped = true;
      return Action.STOP;
    }
    return role.inputs().next(position);
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
    role.console().consoleByte(value);
  }

  @Override
  public void request(BlockRequest request) {
    role.disk().request(request);
  }
}
