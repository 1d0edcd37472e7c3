package lockstep.cli.run;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.FileErrors;
import lockstep.cli.console.ConsoleTarget;
import lockstep.cli.console.TerminalConsole;
import lockstep.cli.disk.HeldDisk;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.snapshot.SnapshotException;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.LogFormatException;
import lockstep.replay.log.LogReader;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.playback.GoesLive;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.playback.Replayer;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** A recorded machine that runs again here. */
public final class ReplayedRun implements ConsoleTarget {
  /** A replay needs no disks: the completions of their requests are in the log. */
  private static final DiskSink NOWHERE = (disk, request) -> {};

  private static final String GIVE_A_LOG = "give one that lockstep record wrote";

  private final Path file;
  private final Consumer<String> notes;
  private final InputQueue queue = new InputQueue();
  private final VcpuThread vcpu = new VcpuThread();
  private final OrderlyEnd end = new OrderlyEnd();

  /** Whether the guest runs on behind the log's end. */
  private volatile boolean live;

  /**
   * @param file the log's name, for messages
   * @param notes takes lines for the user
   */
  public ReplayedRun(Path file, Consumer<String> notes) {
    this.file = file;
    this.notes = notes;
  }

  @Override
  public InputQueue queue() {
    return queue;
  }

  @Override
  public void stop() {
    queue.stop();
  }

  @Override
  public void snapshot() {
    notes.accept("no snapshot of a replay");
  }

  @Override
  public void endBySignal(Runnable unblock) {
    // A replay leaves nothing behind; one that has gone live may have a disk to give back.
    if (live && !end.await(this::stop, unblock, OrderlyEnd.USUAL_NANOS)) {
      notes.accept("the guest did not stop in time; its disk counts as in use for some seconds");
    }
  }

  /** How long the guest ran, without making and saving the machine; after its end. */
  public long ranNanos() {
    return vcpu.ranNanos();
  }

  /** Replays to the end, or to where the options say. */
  public ReplayOutcome replay(LogReader log, ReplayOptions options, ConsoleSink sink)
      throws Exception {
    SavedMachine saved = open(log);
    long startNanos = saved.state().inputs().clockNanos();
    try (Kvm kvm = Kvm.open();
        InstructionCounter counter = HostCounter.open(kvm);
        KickTimer timer = vcpu.timer()) {
      Replayer replayer = new Replayer(log, startNanos, timer, options, counter);
      mayRun(saved.state().origin(), kvm, false);
      try (Machine machine =
          machine(kvm, saved, replayer, replayer.outputs(OutputSink.of(sink, NOWHERE)))) {
        return vcpu.run(
            machine, queue, () -> replayer.finish(machine.position(), vcpu.timed(machine::run)));
      }
    }
  }

  /** Replays to the log's end and lets the guest go on from there. */
  int goLive(LogReader log, ReplayOptions options, HeldDisk held, CommandLine command)
      throws Exception {
    List<BlockDevice> media = held.media();
    held.stopsBy(this::stop);
    SavedMachine saved = open(log);
    long startNanos = saved.state().inputs().clockNanos();
    try (Kvm kvm = Kvm.open();
        InstructionCounter counter = HostCounter.open(kvm);
        KickTimer timer = vcpu.timer();
        LocalDisk disk = new LocalDisk(media, queue);
        TerminalConsole console = TerminalConsole.open(this)) {
      int wanted = saved.state().origin().config().disks().size();
      if (media.size() != wanted) {
        throw new CommandFailure(
            "log %s is of a machine with %d disks, and %d are given"
                .formatted(file, wanted, media.size()),
            "give the same --disk options, with the disks as they were at the log's end");
      }
      AtomicReference<@Nullable Machine> running = new AtomicReference<>();
      Replayer replayer = new Replayer(log, startNanos, timer, options, counter);
      GoesLive source =
          new GoesLive(
              replayer,
              nanos -> new HostInputs(queue, MachineLayout.TIMERS, nanos, timer),
              () -> {
                live = true;
                notes.accept("the log is at its end; the guest goes on live");
                Optional.ofNullable(running.get()).ifPresent(now -> disk.resume(now, List.of()));
              });
      mayRun(saved.state().origin(), kvm, true);
      OutputSink checked = replayer.outputs(OutputSink.of(console.output(), NOWHERE));
      OutputSink live = OutputSink.of(console.output(), disk);
      try (Machine machine =
          machine(
              kvm,
              saved,
              source,
              OutputSink.of(
                  value -> (source.isLive() ? live : checked).consoleByte(value),
                  (to, request) -> (source.isLive() ? live : checked).request(to, request)))) {
        running.set(machine);
        RunResult result = vcpu.run(machine, queue, machine::run);
        if (!source.isLive()) {
          throw new CommandFailure(
              "log " + file + ": the guest did not come to the log's end alive",
              "see lockstep replay " + file);
        }
        return RunEnd.exitCode(held.resultOf(result), command);
      }
    } finally {
      end.finished();
    }
  }

  private SavedMachine open(LogReader log) throws CommandFailure {
    try {
      return SavedMachine.open(log.stateStream());
    } catch (SnapshotException e) {
      throw refused(e);
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  /**
   * Refuses a machine that cannot run here. One that may need what it lacks is tried all the same,
   * unless it is to live on: a replay sees where it goes wrong.
   */
  private void mayRun(MachineOrigin origin, Kvm kvm, boolean toLive)
      throws CommandFailure, SysException {
    Optional<String> lacking = origin.quirkComplaint(QuirkProbe.probe(kvm));
    Optional<String> complaint =
        origin.cpuComplaint(kvm.supportedCpuid()).or(() -> toLive ? lacking : Optional.empty());
    if (complaint.isPresent()) {
      throw new CommandFailure(
          "log " + file + " " + complaint.get(), "replay it on a host like the one it is from");
    }
    lacking.ifPresent(what -> notes.accept("log " + file + " " + what + "; it may diverge"));
  }

  private Machine machine(Kvm kvm, SavedMachine saved, InputSource source, OutputSink sink)
      throws Exception {
    Machine machine = Machine.create(kvm, saved.state().origin(), source, sink);
    try {
      machine.restore(saved, Progress.NONE);
      return machine;
    } catch (SnapshotException e) {
      machine.close();
      throw refused(e);
    } catch (Exception e) {
      machine.close();
      throw e;
    }
  }

  private CommandFailure refused(SnapshotException e) {
    return new CommandFailure(
        "log " + file + " has a starting state that " + e.problem(),
        e.remedy().orElse(GIVE_A_LOG),
        e);
  }

  /** What to say of a log that cannot be read. */
  static CommandFailure failure(Path file, IOException e) {
    return e instanceof LogFormatException no
        ? new CommandFailure(
            "log " + file + " " + e.getMessage(), no.remedy().orElse(GIVE_A_LOG), e)
        : new CommandFailure("log " + file + ": " + FileErrors.reason(e), "check the path", e);
  }
}
