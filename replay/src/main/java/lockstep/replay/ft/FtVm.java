package lockstep.replay.ft;

import java.io.IOException;
import java.io.OutputStream;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Stream;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.backup.BackupReplay;
import lockstep.replay.ft.backup.MachineReceiver;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.GuestDisk;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.output.OutputPump;
import lockstep.replay.ft.primary.LogStream;
import lockstep.replay.ft.primary.Roles;
import lockstep.replay.ft.primary.StateReplication;
import lockstep.replay.ft.primary.StateTransfer;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtStatus;
import lockstep.replay.ft.protocol.VitalSign;
import lockstep.replay.ft.vcpu.RoleSwitch;
import lockstep.replay.ft.vcpu.RoleThread;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.log.FramePipe;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.Recorder;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * A machine that can be protected: runs on {@code vcpu-0} in the role that the {@link FtNode} gives
 * it. A role changes between two runs of the machine, for which the guest is stopped for a moment.
 */
public final class FtVm implements FtNode.Vm, AutoCloseable {
  private static final long POLL_NANOS = 1_000_000L;

  /** A guest that does anything at all makes an entry within this time. */
  private static final long NEXT_ENTRY_NANOS = TimeUnit.SECONDS.toNanos(1);

  /**
   * Where outputs of the guest and notes for the user go.
   *
   * @param console takes the guest's console; called by one thread
   * @param disk takes the guest's disk requests once they may go; give it {@link #queue}
   * @param notes takes lines for the user
   */
  public record Outlets(OutputStream console, GuestDisk disk, Consumer<String> notes) {}

  /** Makes the machine around its role switch, ready to run. */
  @FunctionalInterface
  public interface Maker {
    /** A new or restored machine. */
    VirtualMachine make(RoleSwitch roleSwitch) throws Exception;
  }

  /** Something that is done with a machine that is stopped, on its thread. */
  @FunctionalInterface
  public interface Inspection {
    /**
     * See {@link lockstep.replay.ft.vcpu.VcpuCommands.Inspection}; the inputs are what a copy of
     * the machine continues with.
     */
    Optional<RunResult> run(VirtualMachine machine, SavedInputs inputs) throws Exception;
  }

  private final Scheduler host;
  private final FtNode node;
  private final OutputGate gate;
  private final OutputPump pump;
  private final GuestDisk medium;
  private final Consumer<String> notes;
  private final InputQueue queue = new InputQueue(ConsoleLine.CLOSED);
  private final RoleThread vcpu;
  private final KickTimer timer;
  private final Roles roles;
  private final RoleSwitch roleSwitch;
  private final OutputDrain drain;
  private final StateReplication replication;
  private final VmShutdown shutdown;
  private final Standby standby;
  private final PlannedFailover failover;

  private volatile Optional<Instant> lastFailover = Optional.empty();
  private volatile Optional<StateTransfer.Report> lastTransfer = Optional.empty();

  /** The machine once it is the VM here. vCPU thread. */
  private @Nullable LiveMachine live;

  /**
   * A machine that waits for its role.
   *
   * @param machines makes the machine of a backup
   */
  public FtVm(
      Scheduler host,
      MachineReceiver machines,
      FtNode node,
      OutputGate gate,
      Outlets outlets,
      RecordOptions options) {
    this.host = host;
    this.node = node;
    this.vcpu = new RoleThread(host, queue, this::putAway);
    this.timer = new KickTimer(host, vcpu::kick);
    this.gate = gate;
    this.medium = outlets.disk();
    this.notes = outlets.notes();
    this.roles = new Roles(gate, medium);
    this.roleSwitch =
        new RoleSwitch(
            host,
            vcpu.commands(),
            roles.live(new HostInputs(host, queue, Recorder.TIMERS, 0, timer)));
    this.pump = new OutputPump(host, gate, outlets.console(), medium, node::released, notes);
    this.drain = new OutputDrain(host, node, gate, pump, vcpu);
    StateReplication.Steps steps =
        new StateReplication.Steps() {
          @Override
          public void beforePause() throws IOException, InterruptedException {
            drain.needOutputsToLeave();
          }

          @Override
          public void paused(LogStream stream) throws IOException, InterruptedException {
            drain.drainBeforeLog();
            // What was shown so far is counted from before the log that begins now.
            gate.restart();
            node.logBegins(stream);
          }

          @Override
          public void ended(StateTransfer.Outcome outcome) {
            copied(outcome);
          }
        };
    this.replication = new StateReplication(host, options, roleSwitch, roles, steps, vcpu::ask);
    this.shutdown = new VmShutdown(node, vcpu, drain, replication);
    this.standby =
        new Standby(
            node,
            vcpu,
            shutdown,
            log -> new BackupReplay(host, machines, log, roleSwitch, gate, timer),
            this::goLive,
            notes);
    this.failover = new PlannedFailover(node, vcpu, drain, replication, medium, notes);
  }

  /** The way in for console bytes and disk completions. */
  public InputQueue queue() {
    return queue;
  }

  /**
   * Starts the VM here.
   *
   * @param maker makes the machine
   * @param startNanos what its clock shows
   * @param protectedFirst no instruction before the VM has a backup; without one it ends
   */
  public void start(Maker maker, long startNanos, boolean protectedFirst) throws Exception {
    HostInputs inputs = new HostInputs(host, queue, Recorder.TIMERS, startNanos, timer);
    roleSwitch.become(roles.live(inputs));
    VirtualMachine made = maker.make(roleSwitch);
    LiveMachine machine = live(made, inputs);
    vcpu.launch(
        () ->
            Optional.of(protectedFirst && !isProtected() ? unprotected(made) : machine.toTheEnd()),
        made);
  }

  private LiveMachine live(VirtualMachine machine, HostInputs inputs) {
    LiveMachine fresh = new LiveMachine(machine, inputs, roleSwitch, vcpu, replication, shutdown);
    live = fresh;
    return fresh;
  }

  /** Waits, before the first instruction, until the VM has a backup or there will be none. */
  private boolean isProtected() throws Exception {
    vcpu.commands().inRun(true);
    try {
      while (vcpu.mayGoOn()) {
        vcpu.commands().comesBy();
        Optional<RunResult> unused = vcpu.commands().runTasks();
        FtStatus status = node.status();
        if (status.state() == FtState.PROTECTED) {
          return true;
        }
        if (status.epoch() > 0 && status.state() == FtState.ALONE) {
          return false;
        }
        host.sleep(POLL_NANOS);
      }
      return false;
    } finally {
      vcpu.commands().inRun(false);
    }
  }

  private VmEnd unprotected(VirtualMachine made) throws Exception {
    if (vcpu.isStopping()) {
      // In order, or a backup that is about to be ready would take over what never ran.
      return shutdown.guestEnded(made, new RunResult.Stopped());
    }
    return new VmEnd.Halted(vcpu.halted().orElse("the guest was not started: it has no backup"));
  }

  /** A machine is about to be closed: nobody may look at it or read its memory any more. */
  private void putAway() throws Exception {
    replication.abandon();
  }

  /** Lets a paused machine go on. Any thread. */
  public void resume() {
    vcpu.commands().resume();
  }

  /** Holds the guest until {@link #resume}; its clock goes on. Any thread. */
  public void pause() {
    vcpu.commands().pause();
  }

  /** Whether the guest is held. Any thread. */
  public boolean isPaused() {
    return vcpu.commands().isPaused();
  }

  /** When this side took over; empty if it did not. Any thread. */
  public Optional<Instant> lastFailover() {
    return lastFailover;
  }

  /** How the last state transfer went, in words. Any thread. */
  public Optional<StateTransfer.Report> lastTransfer() {
    return lastTransfer;
  }

  /** How much of the memory has been copied while a pair is being formed, in %. Any thread. */
  public int transferPercent() {
    return replication.percent();
  }

  /** The end of the VM at this host. */
  public CompletableFuture<VmEnd> over() {
    return vcpu.over();
  }

  /**
   * Has something done with the machine while it stands; the guest and its log know nothing of it.
   * Any thread.
   *
   * @return see {@link lockstep.replay.ft.vcpu.VcpuCommands#inspect}
   */
  public Future<Optional<RunResult>> inspect(Inspection work) {
    return vcpu.commands().inspect(() -> work.run(live().machine(), live().savedInputs()));
  }

  /** The moment that the guest is at, for {@link #awaitKept}. Only in an {@link Inspection}. */
  public OutputGate.Point point() {
    return gate.point(replication.sendAll());
  }

  /**
   * Waits until what the guest was at some moment can no longer be undone. A backup that has the
   * log up to there goes live there, and may not come to the same moment: it must have the next
   * entry too, unless the guest makes none.
   *
   * @param nanos at most about so long
   * @return false when this side has lost, or nobody knows yet
   */
  public boolean awaitKept(OutputGate.Point moment, long nanos) throws InterruptedException {
    if (gate.awaitKept(moment.next(), NEXT_ENTRY_NANOS)) {
      return true;
    }
    AtomicReference<OutputGate.Point> later = new AtomicReference<>(moment.next());
    try {
      Optional<RunResult> unused =
          inspect(
                  (_, _) -> {
                    later.set(point());
                    return Optional.empty();
                  })
              .get();
    } catch (ExecutionException | CancellationException e) {
      return false;
    }
    return gate.awaitKept(moment.equals(later.get()) ? moment : moment.next(), nanos);
  }

  private LiveMachine live() {
    LiveMachine present = live;
    if (present == null) {
      throw new IllegalStateException("the VM does not run here");
    }
    return present;
  }

  /** A side without a machine is over, in order. Any thread. */
  public void leave(String reason) {
    vcpu.over().complete(new VmEnd.Elsewhere(reason));
  }

  /** Ends the guest as if the power were cut. Any thread. */
  public void stop() {
    vcpu.stop();
  }

  /**
   * Primary: lets the backup go on instead, without loss. Any thread.
   *
   * @param limitNanos how long the guest may stand until its outputs have left and its disk has
   *     answered; the decision of the disk, which follows, is waited for as long as it takes
   * @return what it came to; cancelling it has an effect until it has begun
   */
  public CompletableFuture<PlannedFailover.Outcome> handOver(long limitNanos) {
    CompletableFuture<PlannedFailover.Outcome> outcome = new CompletableFuture<>();
    vcpu.ask(() -> failover.run(live(), limitNanos, outcome));
    CompletableFuture<?> unused =
        vcpu.over()
            .whenComplete(
                (_, _) -> outcome.complete(new PlannedFailover.Outcome.NotDone("the VM is over")));
    return outcome;
  }

  // The primary's side.

  @Override
  public void startLog(LogStream stream) {
    vcpu.ask(() -> replication.begin(stream, live().machine(), live().inputs()));
  }

  /** Recording costs, and nobody reads the log any more. */
  @Override
  public void cutLog() {
    vcpu.ask(() -> replication.end(live().machine()));
  }

  private void copied(StateTransfer.Outcome outcome) {
    switch (outcome) {
      case StateTransfer.Report report -> {
        lastTransfer = Optional.of(report);
        notes.accept(report.toString());
      }
      case StateTransfer.Failed failed -> node.post(new FtEvent.PairingFailed(failed.reason()));
    }
  }

  // The backup's side.

  @Override
  public void follow(Claimant self, FramePipe pipe) {
    standby.follow(self, pipe);
  }

  @Override
  public void endLog(boolean goesLive) {
    standby.endLog(goesLive);
  }

  @Override
  public long replayed() {
    return standby.replayed();
  }

  private VmEnd goLive(BackupReplay replayed, VirtualMachine on) throws Exception {
    HostInputs inputs = replayed.goLive(queue, Recorder.TIMERS);
    LiveMachine running = live(on, inputs);
    roleSwitch.become(roles.live(inputs));
    // What was typed at the other side was applied from the log, and not offered here.
    queue.consoleTo(on.console());
    lastFailover = Optional.of(Instant.now());
    try {
      medium.dropCache();
    } catch (IOException e) {
      notes.accept("reads of the disk may give old content: " + e.getMessage());
    }
    List<DiskRequest> unfinished = on.diskRequestsInFlight();
    unfinished.forEach(asked -> medium.request(asked.disk(), asked.request()));
    notes.accept(
        "%s; %d disk requests asked again; the console goes on at byte %d since the pair was formed"
            .formatted(
                replayed.proof(on.position().guestExits()),
                unfinished.size(),
                gate.consoleReleased()));
    node.post(new FtEvent.WentLive());
    return running.toTheEnd();
  }

  @Override
  public void halt(String reason) {
    vcpu.halt(reason);
  }

  @Override
  public List<VitalSign> vitalSigns() {
    return Stream.concat(Stream.of(new VcpuSign()), pump.signs().stream()).toList();
  }

  /** The guest's vCPU: it comes by at every exit, and at every kick while the guest makes none. */
  private final class VcpuSign implements VitalSign {
    @Override
    public String name() {
      return "the vCPU";
    }

    @Override
    public long moves() {
      return vcpu.commands().moves();
    }

    @Override
    public boolean mayStand() {
      return !vcpu.commands().mustMove() || gate.isFull();
    }

    @Override
    public boolean waitsForPeer() {
      return true;
    }

    @Override
    public void nudge() {
      vcpu.kick();
    }
  }

  @Override
  public void failStop(String reason) {
    host.failStop(reason);
  }

  @Override
  public void note(String text) {
    notes.accept(text);
  }

  /** Lets go of threads; after {@link #over}. */
  @Override
  public void close() {
    pump.close();
    timer.close();
  }
}
