package lockstep.replay.ft.backup;

import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.WakeTimer;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.output.Output;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.vcpu.RoleSwitch;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogReader;
import lockstep.replay.playback.Compared;
import lockstep.replay.playback.Descriptions;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.playback.Replayer;
import lockstep.sys.Scheduler;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/** A backup's machine from its state's arrival to the end of the log. vCPU thread, but as said. */
public final class BackupReplay {
  /** What the replay came to. */
  public sealed interface Outcome {
    /** It did all that the log says; the guest can go on. */
    record LogEnd() implements Outcome {}

    /** The guest has ended, as the log says, or was stopped for good. */
    record GuestEnd(RunResult result) implements Outcome {}

    /** It did something else. */
    record Diverged(String report) implements Outcome {}
  }

  /**
   * The log of one primary.
   *
   * @param self this side of the pair
   * @param pipe brings the state and the log
   */
  public record Source(Claimant self, FramePipe pipe) {}

  private final Scheduler host;
  private final MachineReceiver machines;
  private final Claimant self;
  private final FramePipe pipe;
  private final RoleSwitch roleSwitch;
  private final OutputGate gate;
  private final WakeTimer timer;
  private final CompletableFuture<Boolean> decision = new CompletableFuture<>();
  private volatile @Nullable LogReader reader;
  private volatile @Nullable Replayer replayer;

  public BackupReplay(
      Scheduler host,
      MachineReceiver machines,
      Source log,
      RoleSwitch roleSwitch,
      OutputGate gate,
      WakeTimer timer) {
    this.host = host;
    this.machines = machines;
    this.self = log.self();
    this.pipe = log.pipe();
    this.roleSwitch = roleSwitch;
    this.gate = gate;
    this.timer = timer;
  }

  public Claimant self() {
    return self;
  }

  /** Becomes the primary's machine; waits for its state. On any thread before the vCPU's. */
  public VirtualMachine restore() throws Exception {
    LogReader log = LogReader.follow(pipe);
    reader = log;
    return machines.receive(log.stateStream(), roleSwitch, clockNanos -> follow(log, clockNanos));
  }

  private void follow(LogReader log, long clockNanos) {
    ReplayOptions toTheEnd =
        // A primary that has nothing to say is silent for as long as it likes.
        new ReplayOptions(OptionalLong.empty(), false, true, Long.MAX_VALUE);
    Replayer source = new Replayer(host, log, clockNanos, timer, toTheEnd);
    replayer = source;
    roleSwitch.become(
        new RoleSwitch.Role(
            source, source.outputs(OutputSink.of(this::consoleByte, (disk, request) -> {}))));
  }

  private void consoleByte(int value) {
    try {
      gate.put(new Output.Console(value), 0);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Replayer source() {
    Replayer present = replayer;
    if (present == null) {
      throw new IllegalStateException("nothing restored");
    }
    return present;
  }

  /** Replays until the log or the guest ends. */
  public Outcome run(VirtualMachine on) throws SysException, InterruptedException {
    RunResult result = roleSwitch.enter(on);
    ReplayOutcome outcome = source().finish(on.position(), result);
    return switch (outcome) {
      case ReplayOutcome.Diverged diverged -> new Outcome.Diverged(diverged.divergence().report());
      case ReplayOutcome.Equal _ -> new Outcome.GuestEnd(result);
      case ReplayOutcome.Reached _, ReplayOutcome.LogEnded _ -> end(log(), result);
    };
  }

  private LogReader log() {
    LogReader log = reader;
    if (log == null) {
      throw new IllegalStateException("nothing restored");
    }
    return log;
  }

  /**
   * The replay stopped where the log says nothing more, or that the host stopped the guest. What
   * was acknowledged the world may have seen: this machine is the VM only after all of it.
   */
  private Outcome end(LogReader log, RunResult result) {
    if (log.peekKind() == LogEntry.Kind.INPUT) {
      LogEntry stop = log.take();
      if (log.peekKind() == LogEntry.Kind.MACHINE_DIGEST) {
        log.take();
      }
      if (log.peek() instanceof LogEntry.End) {
        log.take();
        return new Outcome.GuestEnd(result);
      }
      if (log.peekKind() != null) {
        return new Outcome.Diverged(
            "divergence at log entry %d: after %s the log continues"
                .formatted(log.position(), Descriptions.of(stop)));
      }
    }
    long received = pipe.entries();
    if (!log.isAtStreamEnd() || log.position() != received) {
      return new Outcome.Diverged(
          "divergence at log entry %d of the %d received: the log cannot be read to its end: %s"
              .formatted(log.position(), received, log.cut().orElse("no reason is known")));
    }
    return result instanceof RunResult.Stopped
        ? new Outcome.LogEnd()
        : new Outcome.GuestEnd(result);
  }

  /** The pipe ends or has ended. Any thread, once counts. */
  public void decide(boolean live) {
    decision.complete(live);
  }

  /** Waits until it is known whether this side goes live. */
  public boolean awaitDecision() throws InterruptedException {
    try {
      return decision.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Live inputs that go on where the log ended, timers armed. */
  public HostInputs goLive(InputQueue queue, int timers) {
    Replayer from = source();
    HostInputs inputs = new HostInputs(host, queue, timers, from.clockNanos(), timer);
    for (int i = 0; i < MachineLayout.TIMERS; i++) {
      int number = i;
      from.deadlineNanos(i).ifPresent(deadline -> inputs.armTimer(number, deadline));
    }
    return inputs;
  }

  /** What this side knows of the primary's machine when it goes live, as a line for people. */
  public String proof(long exits) {
    Compared compared = source().compared();
    return "replayed to guest exit %d; %d digests of the whole machine were equal, the last at %d"
        .formatted(exits, compared.machines(), compared.exits());
  }

  /** Entries that the replay has taken; a little out of date. Any thread. */
  public long replayed() {
    LogReader log = reader;
    return log == null ? 0 : log.position();
  }
}
