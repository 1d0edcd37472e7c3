package lockstep.replay.ft.primary;

import java.io.IOException;
import java.util.List;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.RoleSwitch;
import lockstep.replay.ft.vcpu.VcpuTask;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.Recorder;
import lockstep.sys.Scheduler;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/** The primary's side of a machine: the state on its way, and the log after it. vCPU thread. */
public final class StateReplication {
  /** What the VM does at the steps of a transfer of the state. */
  public interface Steps {
    /**
     * Before the guest is paused. Any thread.
     *
     * @throws IOException when the pause would be long; one line
     */
    void beforePause() throws IOException, InterruptedException;

    /**
     * The guest is paused. vCPU thread.
     *
     * @throws IOException when no log can begin now; one line
     */
    void paused(LogStream stream) throws IOException, InterruptedException;

    /** The transfer has ended. On a thread of its own. */
    void ended(StateTransfer.Outcome outcome);
  }

  private final Scheduler host;
  private final RecordOptions options;
  private final RoleSwitch roleSwitch;
  private final Roles roles;
  private final Steps steps;
  private final VcpuTask.Taker vcpu;
  private @Nullable HostInputs inputs;
  private @Nullable Recorder recorder;
  private @Nullable PrimaryLog log;
  private @Nullable StateTransfer transfer;
  private volatile int percent;

  /** A machine without a backup. */
  public StateReplication(
      Scheduler host,
      RecordOptions options,
      RoleSwitch roleSwitch,
      Roles roles,
      Steps steps,
      VcpuTask.Taker vcpu) {
    this.host = host;
    this.options = options;
    this.roleSwitch = roleSwitch;
    this.roles = roles;
    this.steps = steps;
    this.vcpu = vcpu;
  }

  /** Begins to copy the state; the log begins when that is done. */
  public void begin(LogStream stream, VirtualMachine machine, HostInputs live) throws Exception {
    abandon();
    end(machine);
    inputs = live;
    StateTransfer next =
        new StateTransfer(
            host, new StateTransfer.Source(machine, live), stream, options, this, vcpu);
    transfer = next;
    percent = 0;
    next.start();
  }

  /** The guest is about to be paused for the state's last part. Any thread. */
  void beforePause() throws IOException, InterruptedException {
    steps.beforePause();
  }

  /** The guest is paused and the state is whole but for its last part. */
  void paused(LogStream stream) throws IOException, InterruptedException {
    steps.paused(stream);
  }

  /** The state is whole: from here on the log. */
  void logBegins(Recorder from, PrimaryLog to) {
    recorder = from;
    log = to;
    roleSwitch.become(roles.recorded(from, to));
  }

  /** How far the first round is; the later ones are short. Any thread. */
  void progress(long doneBytes, long totalBytes) {
    percent = (int) (doneBytes * 100 / Math.max(1, totalBytes));
  }

  /** The same in %. Any thread. */
  public int percent() {
    return percent;
  }

  /** Any thread. */
  void copied(StateTransfer.Outcome how) {
    steps.ended(how);
  }

  /** Inputs that wait for a point in the log; none without one. */
  public List<ExternalInput> held() {
    Recorder from = recorder;
    return from == null ? List.of() : from.held();
  }

  /** Sends all of the log that there is; returns its position, 0 without a log. */
  public long sendAll() {
    PrimaryLog to = log;
    return to == null ? 0 : to.sendAll();
  }

  /** The log's last entries; returns their position, 0 without a log. */
  public long guestEnded(VirtualMachine machine, RunResult result) throws SysException {
    Recorder from = recorder;
    PrimaryLog to = log;
    if (from == null || to == null) {
      return 0;
    }
    from.finish(machine.position(), result);
    return to.sendAll();
  }

  /** No log any more: the machine lives on as one that never had a backup. */
  public void end(VirtualMachine machine) throws SysException {
    Recorder from = recorder;
    HostInputs live = inputs;
    recorder = null;
    log = null;
    percent = 0;
    if (from != null && live != null) {
      from.release(machine.position());
      roleSwitch.become(roles.live(live));
    }
  }

  /** Ends a transfer that has not ended; nobody reads the machine's memory afterwards. */
  public void abandon() throws Exception {
    StateTransfer last = transfer;
    transfer = null;
    if (last != null) {
      last.abandon();
    }
  }
}
