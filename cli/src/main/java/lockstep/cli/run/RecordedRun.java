package lockstep.cli.run;

import java.io.OutputStream;
import java.util.List;
import lockstep.cli.console.ConsoleTarget;
import lockstep.cli.disk.HeldDisk;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineCounters;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.RoleSwitch;
import lockstep.replay.ft.vcpu.VcpuCommands;
import lockstep.replay.log.LogWriter;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.Recorder;
import lockstep.sys.Scheduler;

/** A machine that runs here and is recorded. */
public final class RecordedRun implements ConsoleTarget {
  private final InputQueue queue = new InputQueue(ConsoleLine.CLOSED);
  private final VcpuCommands commands = new VcpuCommands(queue);
  private final VcpuThread vcpu = new VcpuThread();
  private final OrderlyEnd end = new OrderlyEnd();
  private final HeldDisk held;
  private MachineCounters counters = MachineCounters.ZERO;

  /** A run of a machine without a disk. */
  public RecordedRun() {
    this(HeldDisk.none());
  }

  /**
   * @param disk the machine's, closed at the end of the run
   */
  RecordedRun(HeldDisk disk) {
    this.held = disk;
    disk.stopsBy(this::stop);
  }

  @Override
  public InputQueue queue() {
    return queue;
  }

  @Override
  public void stop() {
    commands.stop();
  }

  @Override
  public void snapshot() {
    System.err.print("lockstep record: no snapshot; replay the log to any point instead\r\n");
  }

  @Override
  public void endBySignal(Runnable unblock) {
    // Without an answer in time the log is cut, which a replay can live with.
    if (!end.await(this::stop, unblock, OrderlyEnd.USUAL_NANOS)) {
      System.err.println("lockstep record: the guest did not stop in time; the log is cut");
    }
  }

  /** What the machine counted; zeros before its end. */
  MachineCounters counters() {
    return counters;
  }

  /** How long the guest ran, without making and saving the machine; after its end. */
  public long ranNanos() {
    return vcpu.ranNanos();
  }

  /** The CPU time that the guest has taken so far; 0 before its start. Any thread. */
  public long cpuNanos() {
    return vcpu.cpuNanos();
  }

  /** Starts, records and runs to the end; the machine is gone when it returns. */
  public RunResult run(
      Kvm kvm,
      Start start,
      ConsoleSink sink,
      LogWriter log,
      RecordOptions options,
      InstructionCounter counter)
      throws Exception {
    try (KickTimer timer = vcpu.timer();
        LocalDisk disk = new LocalDisk(held.media(), queue)) {
      long startNanos = start.clockNanos();
      HostInputs host = new HostInputs(queue, Recorder.TIMERS, startNanos, timer);
      Recorder recorder = new Recorder(host, startNanos, log, log::flush, options, counter);
      RoleSwitch door =
          new RoleSwitch(
              Scheduler.HOST,
              commands,
              new RoleSwitch.Role(recorder, recorder.outputs(OutputSink.of(sink, disk))));
      try (Machine machine =
          Machine.create(kvm, disk.origin(start, kvm.supportedCpuid()), door, door)) {
        start.into(machine);
        try (OutputStream state = log.stateStream()) {
          // Inputs that were pending in a snapshot are inputs of the recording.
          machine.save(state, new SavedInputs(startNanos, List.of()), Progress.NONE);
        }
        host.giveBack(start.pending());
        disk.resume(machine, start.pending());
        RunResult result =
            vcpu.run(
                machine,
                queue,
                () -> {
                  commands.run();
                  RunResult how = vcpu.timed(() -> door.run(machine));
                  recorder.finish(machine.position(), how);
                  return how;
                });
        counters = machine.counters();
        log.flush();
        return held.resultOf(result);
      }
    } finally {
      commands.leave();
      end.finished();
    }
  }
}
