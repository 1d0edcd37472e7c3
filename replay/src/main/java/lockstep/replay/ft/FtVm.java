package lockstep.replay.ft;

import java.io.OutputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.Decision;
import lockstep.monitor.input.ExternalInput.HostDecision;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.replay.log.FramePipe;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.Recorder;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * A machine that can be protected: runs on {@code vcpu-0} in the role that the {@link FtNode} gives
 * it. A role changes between two runs of the machine, for which the guest is stopped for a moment.
 */
public final class FtVm implements FtNode.Vm, AutoCloseable {
  /** How long the last outputs may take to leave when the guest has ended. */
  private static final long DRAIN_NANOS = TimeUnit.SECONDS.toNanos(30);

  private static final long POLL_MILLIS = 1;

  /** How it ended at this host. */
  public sealed interface End {
    /** The guest ended, here. */
    record Guest(RunResult result) implements End {}

    /** The VM is over or goes on elsewhere, in order; nothing is left to do here. */
    record Elsewhere(String reason) implements End {}

    /** This side has lost, or cannot go on. */
    record Halted(String reason) implements End {}
  }

  /** Makes the machine around its doors, ready to run. */
  @FunctionalInterface
  public interface Maker {
    /** A new or restored machine. */
    Machine make(RoleSwitch doors) throws Exception;
  }

  /** Something that is done with a machine that stands, on its thread. */
  @FunctionalInterface
  public interface Look {
    /** See {@link RoleSwitch.Look}; the inputs are what a copy of the machine goes on with. */
    Optional<RunResult> at(Machine machine, SavedInputs inputs) throws Exception;
  }

  private final Kvm kvm;
  private final FtNode node;
  private final OutputGate gate;
  private final OutputPump pump;
  private final DiskSink medium;
  private final Consumer<String> notes;
  private final InputQueue queue = new InputQueue(ConsoleLine.CLOSED);
  private final KickTimer timer = new KickTimer(this::kick);
  private final ConcurrentLinkedQueue<VcpuTask> tasks = new ConcurrentLinkedQueue<>();
  private final CompletableFuture<End> over = new CompletableFuture<>();

  private volatile @Nullable VcpuHandle handle;
  private volatile @Nullable Thread vcpu;
  private volatile boolean stopping;

  /** Whether the machine runs, so that a task must stop it first. */
  private volatile boolean running = true;

  private volatile @Nullable String halted;
  private volatile @Nullable Following following;
  private volatile Optional<Instant> lastFailover = Optional.empty();
  private volatile Optional<StateTransfer.Report> lastTransfer = Optional.empty();

  // vCPU thread only.
  private @Nullable Machine machine;
  private @Nullable HostInputs host;
  private final Roles roles;
  private final Protecting protecting;
  private final RoleSwitch doors;

  /**
   * A machine that waits for its role.
   *
   * @param console takes the guest's console; called by one thread
   * @param medium takes the guest's disk requests once they may go; give it {@link #queue}
   */
  public FtVm(
      Kvm kvm,
      FtNode node,
      OutputGate gate,
      OutputStream console,
      DiskSink medium,
      RecordOptions options,
      Consumer<String> notes) {
    this.kvm = kvm;
    this.node = node;
    this.gate = gate;
    this.medium = medium;
    this.notes = notes;
    this.roles = new Roles(gate, medium);
    this.doors = new RoleSwitch(roles.live(new HostInputs(queue, Recorder.TIMERS, 0, timer)));
    this.pump = new OutputPump(gate, console, medium, node::released, notes);
    this.protecting =
        new Protecting(options, doors, roles, this::standing, this::ask, this::copied);
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
    HostInputs inputs = new HostInputs(queue, Recorder.TIMERS, startNanos, timer);
    host = inputs;
    doors.become(roles.live(inputs));
    Machine made = maker.make(doors);
    machine = made;
    running = !protectedFirst;
    launch(() -> protectedFirst && !isProtected() ? unprotected() : toTheEnd(made), made);
  }

  /** Waits, before the first instruction, until the VM has a backup or there will be none. */
  private boolean isProtected() throws Exception {
    while (halted == null && !stopping) {
      VcpuTask task = tasks.poll();
      if (task != null) {
        task.run();
      }
      FtStatus now = node.status();
      if (now.state() == FtSession.State.PROTECTED) {
        running = true;
        return true;
      }
      if (now.epoch() > 0 && now.state() == FtSession.State.ALONE) {
        return false;
      }
      Thread.sleep(POLL_MILLIS);
    }
    return false;
  }

  private End unprotected() {
    String lost = halted;
    return new End.Halted(lost == null ? "the guest was not started: it has no backup" : lost);
  }

  /** Lets a paused machine go on. Any thread. */
  public void resume() {
    doors.pause(false);
    kick();
  }

  /** Holds the guest until {@link #resume}; its clock goes on. Any thread. */
  public void pause() {
    doors.pause(true);
    kick();
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
    return protecting.percent();
  }

  /** Whether the guest is held. */
  public boolean isPaused() {
    return doors.isPaused();
  }

  private void kick() {
    VcpuHandle now = handle;
    if (now != null) {
      now.kick();
    }
  }

  @FunctionalInterface
  private interface Work {
    @Nullable End run() throws Exception;
  }

  /** Runs work on a fresh {@code vcpu-0}; its end, if it has one, is that of the VM here. */
  private void launch(Work work, Machine on) {
    Thread thread =
        Thread.ofPlatform()
            .name("vcpu-0")
            .unstarted(
                () -> {
                  try (on) {
                    work(work);
                  } catch (Exception e) {
                    over.completeExceptionally(e);
                  }
                });
    vcpu = thread;
    VcpuHandle now = new VcpuHandle(on.kick(), thread);
    handle = now;
    queue.wakeWith(now::kick);
    queue.consoleTo(on.console());
    thread.start();
  }

  private void work(Work work) throws Exception {
    try {
      End end = work.run();
      if (end != null) {
        over.complete(end);
      }
    } finally {
      doors.lookable(false);
      protecting.abandon();
      // The vCPU is about to go: nobody may kick it any more.
      handle = null;
      queue.wakeWith(() -> {});
    }
  }

  /** The end of the VM at this host. */
  public CompletableFuture<End> over() {
    return over;
  }

  /**
   * Has something done with the machine while it stands; the guest and its log know nothing of it.
   * Any thread.
   *
   * @return see {@link RoleSwitch#look}
   */
  public Future<Optional<RunResult>> look(Look work) {
    Future<Optional<RunResult>> done = doors.look(() -> work.at(current(), savedInputs()));
    kick();
    return done;
  }

  private SavedInputs savedInputs() {
    return SavedInputs.ofWaiting(inputs().nowNanos(), waitingInputs());
  }

  /** Inputs that the guest has not had yet, oldest first. vCPU thread. */
  private List<ExternalInput> waitingInputs() {
    List<ExternalInput> waiting = new ArrayList<>(protecting.held());
    waiting.addAll(inputs().waiting());
    return waiting;
  }

  private End toTheEnd(Machine on) throws Exception {
    doors.lookable(true);
    while (true) {
      RunResult result = doors.run(on);
      String lost = halted;
      if (lost != null) {
        return new End.Halted(lost);
      }
      if (result instanceof RunResult.Fenced fenced) {
        return fenced(fenced.reason());
      }
      if (!(result instanceof RunResult.Stopped) || stopping) {
        return ended(on, result);
      }
      // One for each stop: one more stop than tasks would stand in the log, as the VM's end.
      VcpuTask task = tasks.poll();
      if (task != null) {
        task.run();
      }
    }
  }

  /** Another host has the disk: this is no end of the guest, and the other side hears of none. */
  private End fenced(String reason) throws InterruptedException {
    node.tell(new FtEvent.Fenced(reason));
    node.settle();
    String lost = halted;
    return new End.Halted(lost == null ? reason : lost);
  }

  private End ended(Machine on, RunResult result) throws SysException, InterruptedException {
    protecting.guestEnded(on, result);
    drain();
    String lost = halted;
    if (lost != null) {
      return new End.Halted(lost);
    }
    node.tell(new FtEvent.GuestEnded(result.getClass().getSimpleName()));
    node.settle();
    return new End.Guest(result);
  }

  /** Waits until everything that the guest showed has left, or never may. */
  private void drain() throws InterruptedException {
    if (!await(pump::isDrained)) {
      notes.accept(gate.waiting() + " outputs have not left in time and are lost");
    }
  }

  /** Waits for something, as long as outputs may take; false when it has not come. */
  private boolean await(BooleanSupplier what) throws InterruptedException {
    long start = System.nanoTime();
    while (!what.getAsBoolean() && halted == null) {
      if (System.nanoTime() - start > DRAIN_NANOS) {
        return false;
      }
      Thread.sleep(POLL_MILLIS);
    }
    return true;
  }

  /**
   * Whether the disk has answered all that the guest asked: a write that comes later would
   * overwrite what the other side writes from here on. The answers may still wait for the guest.
   */
  private boolean diskIsQuiet() {
    return current().diskRequestsUnanswered(waitingInputs()).isEmpty();
  }

  private void ask(VcpuTask task) {
    tasks.add(task);
    if (running) {
      interruptRun();
    }
  }

  /** Makes the machine's run return. A full queue takes it when the guest has taken something. */
  private void interruptRun() {
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                while (!queue.offer(new HostDecision(Decision.STOP)) && !over.isDone()) {
                  Thread.sleep(POLL_MILLIS);
                }
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
  }

  /** Ends the guest as if the power were cut. Any thread. */
  public void stop() {
    stopping = true;
    doors.pause(false);
    interruptRun();
  }

  /** Primary: lets the backup go on instead, without loss. Any thread. */
  public void handOver() {
    ask(
        () -> {
          protecting.sendAll();
          if (!await(() -> pump.isDrained() && diskIsQuiet())) {
            notes.accept("not handed over: outputs or disk requests are still under way");
            return;
          }
          node.tell(new FtEvent.HandOver());
          node.settle();
          awaitWhoGoesOn();
          if (node.status().state() == FtSession.State.ENDED) {
            over.complete(new End.Elsewhere("handed over to the backup"));
            halt("handed over to the backup");
          }
        });
  }

  /** The guest stands until it is settled; the user may end it meanwhile. */
  private void awaitWhoGoesOn() throws InterruptedException {
    while (node.status().state().isUndecided() && halted == null && !stopping) {
      Thread.sleep(POLL_MILLIS);
    }
  }

  // The primary's side.

  @Override
  public void startLog(LogStream stream) {
    ask(() -> protecting.begin(stream, current(), inputs()));
  }

  /** Recording costs, and nobody reads the log any more. */
  @Override
  public void cutLog() {
    ask(() -> protecting.end(current()));
  }

  /** What was shown so far is counted from before the log that begins now. */
  private void standing(LogStream stream) throws InterruptedException {
    drain();
    gate.restart();
    node.logBegins(stream);
  }

  private void copied(StateTransfer.Outcome outcome) {
    switch (outcome) {
      case StateTransfer.Report report -> {
        lastTransfer = Optional.of(report);
        notes.accept(report.toString());
      }
      case StateTransfer.Failed failed -> node.tell(new FtEvent.PairingFailed(failed.reason()));
    }
  }

  private Machine current() {
    Machine now = machine;
    if (now == null) {
      throw new IllegalStateException("no machine");
    }
    return now;
  }

  private HostInputs inputs() {
    HostInputs now = host;
    if (now == null) {
      throw new IllegalStateException("no live inputs");
    }
    return now;
  }

  // The backup's side.

  @Override
  public void follow(Claimant self, FramePipe pipe) {
    Following now = new Following(kvm, self, pipe, doors, gate, timer);
    following = now;
    Thread.ofPlatform()
        .name("restore")
        .start(
            () -> {
              try {
                // One machine at a time: an earlier one may still be on its way out.
                Thread earlier = vcpu;
                if (earlier != null) {
                  earlier.join();
                }
                Machine restored = now.restore();
                launch(() -> followToTheEnd(now, restored), restored);
                node.restored(self);
              } catch (Exception e) {
                node.tell(new FtEvent.PairingFailed(String.valueOf(e.getMessage())));
              }
            });
  }

  private @Nullable End followToTheEnd(Following now, Machine on) throws Exception {
    machine = on;
    Following.Came came = now.run(on);
    if (came instanceof Following.Came.Astray astray) {
      node.tell(new FtEvent.Diverged(astray.report().lines().findFirst().orElse("?")));
      notes.accept(astray.report());
      node.settle();
    }
    boolean live = now.awaitDecision();
    switch (came) {
      case Following.Came.Astray _ -> {
        return leave("diverged");
      }
      case Following.Came.GuestEnd end -> {
        if (!live) {
          return leave("the guest has ended at the primary");
        }
        // The primary may have died before it showed the guest's last words.
        node.tell(new FtEvent.WentLive());
        node.settle();
        return ended(on, end.result());
      }
      case Following.Came.LogEnd _ -> {
        if (!live) {
          return leave("the pair is over");
        }
        HostInputs inputs = now.goLive(queue, Recorder.TIMERS);
        host = inputs;
        doors.become(roles.live(inputs));
        // What was typed at the other side was applied from the log, and not offered here.
        queue.consoleTo(on.console());
        lastFailover = Optional.of(Instant.now());
        List<BlockRequest> unfinished = on.diskRequestsInFlight();
        unfinished.forEach(medium::request);
        notes.accept(
            "%s; %d disk requests asked again; the console goes on at byte %d"
                .formatted(
                    now.proof(on.position().guestExits()),
                    unfinished.size(),
                    gate.consoleReleased()));
        node.tell(new FtEvent.WentLive());
        return toTheEnd(on);
      }
    }
  }

  private @Nullable End leave(String reason) throws InterruptedException {
    // The session says that the log is over before it shows what it has become.
    node.settle();
    String lost = halted;
    if (lost != null) {
      return new End.Halted(lost);
    }
    // The next primary may be here already, before this machine has gone.
    return node.status().state() == FtSession.State.ENDED ? new End.Elsewhere(reason) : null;
  }

  @Override
  public void endLog(boolean live) {
    Following now = following;
    if (now != null) {
      now.decide(live);
    }
  }

  @Override
  public void halt(String reason) {
    halted = reason;
    doors.pause(false);
    interruptRun();
    if (handle == null) {
      over.complete(new End.Halted(reason));
    }
  }

  @Override
  public long replayed() {
    Following now = following;
    return now == null ? 0 : now.replayed();
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
