package lockstep.cli.run;

import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.console.ConsoleTarget;
import lockstep.cli.disk.HeldDisk;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineCounters;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.RoleSwitch;
import lockstep.replay.ft.vcpu.VcpuCommands;
import lockstep.sys.Scheduler;
import lockstep.sys.SysException;

/**
 * A machine that runs here, live and unrecorded: plugs LiveInputs, the kick timer and a sink
 * together and owns the thread {@code vcpu-0}, which also writes its snapshots.
 */
public final class LocalRun implements ConsoleTarget {
  /** A signal's grace for writing a snapshot: minutes of a slow disk, then the process ends. */
  private static final long SNAPSHOT_NANOS = TimeUnit.MINUTES.toNanos(5);

  private final InputQueue queue = new InputQueue(ConsoleLine.CLOSED);
  private final Optional<SnapshotFile> snapshotFile;
  private final Consumer<String> notes;
  private final HeldDisk held;
  private final OrderlyEnd end = new OrderlyEnd();
  private MachineCounters counters = MachineCounters.ZERO;

  private final VcpuCommands commands = new VcpuCommands(queue);
  private final VcpuThread vcpu = new VcpuThread();

  /** A machine with its door and what comes in by it. */
  private record Running(Machine machine, RoleSwitch door, HostInputs host) {}

  private volatile Optional<Running> running = Optional.empty();

  private final int slowdown;

  /**
   * @param snapshotFile written when the host stops the guest, and when asked for
   * @param notes takes lines for the user
   */
  public LocalRun(Optional<SnapshotFile> snapshotFile, Consumer<String> notes) {
    this(snapshotFile, notes, HeldDisk.none(), 1);
  }

  /** The same with a disk, which is closed at the end of the run. */
  public LocalRun(Optional<SnapshotFile> snapshotFile, Consumer<String> notes, HeldDisk disk) {
    this(snapshotFile, notes, disk, 1);
  }

  /**
   * The same with a clock that may be slow.
   *
   * @param slowdown how many times slower than the host's clock the guest's is
   */
  LocalRun(
      Optional<SnapshotFile> snapshotFile, Consumer<String> notes, HeldDisk disk, int slowdown) {
    this.slowdown = slowdown;
    this.snapshotFile = snapshotFile;
    this.notes = notes;
    this.held = disk;
    disk.stopsBy(this::stop);
  }

  /** The way in for console input and for {@link #stop}. */
  @Override
  public InputQueue queue() {
    return queue;
  }

  /** What the machine counted; zeros before its end. */
  MachineCounters counters() {
    return counters;
  }

  /** Ends the guest as if the power were cut. Any thread. */
  @Override
  public void stop() {
    commands.stop();
  }

  /** Holds the guest until {@link #resume}; its clock continues. Any thread. */
  void pause() {
    commands.pause();
  }

  /** Lets a paused guest continue. Any thread. */
  void resume() {
    commands.resume();
  }

  /** Whether the guest is held. Any thread. */
  boolean isPaused() {
    return commands.isPaused();
  }

  /** Writes a snapshot; the guest stands meanwhile. Any thread; returns when it is written. */
  void snapshot(SnapshotFile file) throws IOException, CommandFailure, InterruptedException {
    Running now = running.orElseThrow(() -> new IOException("the VM does not run yet"));
    file.write(
        work -> commands.inspect(() -> work.run(now.machine(), saved(now))),
        SnapshotFile.Admission.AT_ONCE);
  }

  private static SavedInputs saved(Running now) {
    return SavedInputs.ofWaiting(now.host().nowNanos(), now.host().waiting());
  }

  /** Has a snapshot written, after which the guest goes on. Any thread. */
  @Override
  public void snapshot() {
    Optional<Running> now = running;
    if (snapshotFile.isEmpty()) {
      notes.accept("no snapshot; start with --snapshot FILE to have them");
    } else if (now.isEmpty()) {
      notes.accept("no snapshot: the VM does not run yet; try again");
    } else {
      Future<?> unused = commands.inspect(() -> saveNow(snapshotFile.get(), now.get()));
    }
  }

  /**
   * The process was told to end: stops the guest and waits until its snapshot is written and its
   * disk given back. Nothing happens when there is neither. Any thread.
   *
   * @param unblock called when that takes long: a console that nobody reads may hold the guest
   */
  @Override
  public void endBySignal(Runnable unblock) {
    if (snapshotFile.isPresent()) {
      if (!end.await(this::stop, unblock, SNAPSHOT_NANOS)) {
        notes.accept(snapshotFile.get() + ": not written in time");
      }
    } else if (!held.media().isEmpty() && !end.await(this::stop, unblock, OrderlyEnd.USUAL_NANOS)) {
      notes.accept("the guest did not stop in time; its disk counts as in use for some seconds");
    }
  }

  /** How long the guest ran, without making and saving the machine; after its end. */
  public long ranNanos() {
    return vcpu.ranNanos();
  }

  /** The CPU time that the guest has taken so far; 0 before its start. Any thread. */
  public long cpuNanos() {
    return vcpu.cpuNanos();
  }

  /** Starts and runs to the end; the machine is gone when it returns. */
  public RunResult run(Kvm kvm, Start start, ConsoleSink sink) throws Exception {
    try (KickTimer timer = vcpu.timer();
        LocalDisk disk = new LocalDisk(held.media(), queue)) {
      HostInputs host =
          new HostInputs(queue, MachineLayout.TIMERS, start.clockNanos(), timer, slowdown);
      RoleSwitch door =
          new RoleSwitch(
              Scheduler.HOST,
              commands,
              new RoleSwitch.Role(new LiveInputs(host), OutputSink.of(sink, disk)));
      try (Machine machine =
          Machine.create(kvm, disk.origin(start, kvm.supportedCpuid()), door, door)) {
        host.giveBack(start.pending());
        start.into(machine);
        disk.resume(machine, start.pending());
        Running now = new Running(machine, door, host);
        running = Optional.of(now);
        RunResult result = vcpu.run(machine, queue, () -> toTheEnd(now));
        counters = machine.counters();
        return result;
      } finally {
        commands.leave();
      }
    } finally {
      end.finished();
    }
  }

  /**
   * On {@code vcpu-0}: runs to the end, and writes the snapshot of a guest that the host stopped.
   */
  private RunResult toTheEnd(Running now) throws Exception {
    commands.run();
    RunResult result = held.resultOf(vcpu.timed(() -> now.door().run(now.machine())));
    if (snapshotFile.isEmpty()) {
      return result;
    }
    if (!(result instanceof RunResult.Stopped)) {
      notes.accept(
          snapshotFile.get() + ": not written at the end, the host did not stop the guest");
      return result;
    }
    return snapshotFile.get().write(now.machine(), saved(now)).orElse(result);
  }

  /** A guest that its user looks at does not end because a file cannot be written. */
  private Optional<RunResult> saveNow(SnapshotFile file, Running now) throws SysException {
    try {
      return file.write(now.machine(), saved(now));
    } catch (CommandFailure e) {
      notes.accept(e.getMessage() + "; the guest goes on");
      return Optional.empty();
    }
  }
}
