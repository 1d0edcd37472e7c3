package lockstep.replay.playback;

import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalLong;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.TimerPort;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.input.WakeTimer;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.Endings;
import lockstep.replay.log.EntrySource;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.ExitRoll;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogEntry.Kind;
import lockstep.replay.placement.CounterSearch;
import lockstep.replay.placement.InstructionCounter;
import lockstep.sys.Scheduler;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * The InputSource of a machine that repeats a recorded run (VM-FT, section 2.1, the backup's side).
 * Every question that the recorded machine asked is asked here in the same order and answered from
 * the log; the first one that does not fit is a {@link Divergence} and ends the run.
 *
 * <p>Nothing here waits for a timer: an idle guest is brought to its next input at once.
 */
public final class Replayer implements InputSource {
  private final Scheduler host;
  private final EntrySource log;
  private final ReplayOptions options;
  private final ProgressWatch watch;
  private final ReplayClock clock;
  private final ExitRoll roll = new ExitRoll();
  private final FirstDifference difference = new FirstDifference();
  private final StateCheck check;
  private final OutputCheck outputs;
  private final long[] deadlineNanos = new long[MachineLayout.TIMERS];

  private boolean started;
  private long exits;
  private int steps;
  private final CounterSearch search;

  /** The counter's count where the vCPU stands: 0 at an exit, otherwise that of the last point. */
  private long count;

  /** The last entry into the guest was a single step. */
  private boolean stepping;

  /** The last action let the guest run. */
  private boolean entered;

  /** The guest ran on from its last exit and was stopped by the host: a place without a name. */
  private boolean between;

  private @Nullable ExecutionPoint point;
  private @Nullable ExternalInput current;
  private boolean logOver;
  private boolean reached;

  /** A replayer that finds no points of placement counter. */
  public Replayer(EntrySource log, long startNanos, WakeTimer watch, ReplayOptions options) {
    this(Scheduler.HOST, log, startNanos, watch, options);
  }

  /** The same by another host's clock. */
  public Replayer(
      Scheduler host, EntrySource log, long startNanos, WakeTimer watch, ReplayOptions options) {
    this(host, log, startNanos, watch, options, InstructionCounter.none("there is no counter"));
  }

  /**
   * @param log what to replay
   * @param startNanos what the guest clock shows until the guest runs
   * @param watch kicks the vCPU now and then, so that a guest that hangs is noticed
   * @param counter finds the points of placement counter; the caller's to close
   */
  public Replayer(
      EntrySource log,
      long startNanos,
      WakeTimer watch,
      ReplayOptions options,
      InstructionCounter counter) {
    this(Scheduler.HOST, log, startNanos, watch, options, counter);
  }

  private Replayer(
      Scheduler host,
      EntrySource log,
      long startNanos,
      WakeTimer watch,
      ReplayOptions options,
      InstructionCounter counter) {
    this.host = host;
    this.search = new CounterSearch(counter);
    this.log = log;
    this.check = new StateCheck(log, difference);
    this.outputs = new OutputCheck(log, difference, () -> exits, roll);
    this.clock = new ReplayClock(host, startNanos, options.realTime());
    this.watch = new ProgressWatch(host, watch);
    this.options = options;
    Arrays.fill(deadlineNanos, TimerPort.NEVER);
  }

  /**
   * The machine's way out: checks that every output was recorded, then passes it on. A replay needs
   * no disks: the completions of their requests are in the log.
   */
  public OutputSink outputs(OutputSink next) {
    return outputs.before(next);
  }

  @Override
  public long nowNanos() {
    if (!started) {
      return clock.nanos();
    }
    Kind kind = log.peekKind();
    if (kind == Kind.CLOCK) {
      clock.advanceTo(log.takeClock());
    } else if (kind != null) {
      diverge(Divergence.Kind.CLOCK, "a clock reading");
    }
    return clock.nanos();
  }

  @Override
  public Bytes entropy(int count) {
    if (log.peek() instanceof LogEntry.Entropy logged && logged.content().size() == count) {
      log.take();
      return logged.content();
    }
    if (log.peekKind() != null) {
      diverge(Divergence.Kind.ENTROPY, count + " random bytes");
    }
    return Bytes.copyOf(new byte[count]);
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    if (!started) {
      started = true;
      exits = position.guestExits();
      long now = host.nanoTime();
      clock.start(now);
      watch.start(now);
    }
    if (Thread.interrupted()) {
      throw new InterruptedException("vCPU thread told to end");
    }
    switch (position.stop()) {
      case HOST -> {
        watchProgress(position);
        if (stepping) {
          // The kick came before the instruction: the step is still to be made.
          steps--;
        } else {
          // Otherwise it still stands at the point where it has just taken an input.
          between |= entered;
        }
      }
      case START, GUEST_EXIT -> {
        steps = 0;
        count = 0;
        between = false;
      }
      case STEPPED -> {
        // Counted when it was asked for.
      }
    }
    stepping = false;
    Action action = decide(position);
    entered = action == Action.RUN || action == Action.STEP;
    return action;
  }

  /** What is to be done where the vCPU stands. */
  private Action decide(VcpuPosition position) throws SysException {
    while (!difference.found()) {
      if (options.stopAtExits().isPresent()
          && position.guestExits() >= options.stopAtExits().getAsLong()) {
        reached = true;
        return Action.STOP;
      }
      Kind kind = log.peekKind();
      if (kind == null || (kind == Kind.INPUT && options.goLive() && GoesLive.before(next()))) {
        logOver = true;
        return Action.STOP;
      }
      Action action = follow(kind, position);
      if (action != null) {
        return action;
      }
    }
    return Action.STOP;
  }

  /** What the next entry asks for; null when it was taken and the one behind it counts. */
  private @Nullable Action follow(Kind kind, VcpuPosition position) throws SysException {
    return switch (kind) {
      case CLOCK, ENTROPY, OUTPUT, EXIT_DIGEST, END -> run(position);
      case REGISTERS -> registers((LogEntry.Registers) next(), position);
      case MACHINE_DIGEST -> machineDigest((LogEntry.MachineDigest) next(), position);
      case PAGES -> pages((LogEntry.Pages) next(), position);
      case POINT -> point(((LogEntry.Point) next()).at(), position);
      case INPUT -> input((LogEntry.Input) next());
      case DELIVERY -> delivery(position);
    };
  }

  /** The next entry, which {@code peekKind} has announced. */
  private LogEntry next() {
    LogEntry entry = log.peek();
    if (entry == null) {
      throw new IllegalStateException("the log announced an entry and has none");
    }
    return entry;
  }

  private @Nullable Action run(VcpuPosition position) {
    if (position.halted()) {
      return diverge(Divergence.Kind.POINT, "a guest waiting in HLT");
    }
    point = null;
    watch.arm();
    return Action.RUN;
  }

  private @Nullable Action registers(LogEntry.Registers entry, VcpuPosition position)
      throws SysException {
    if (!reachedBy(entry.exits(), position)) {
      return beforeOrPast(entry.exits(), position);
    }
    return check.registers(entry, position, exits) ? null : Action.STOP;
  }

  private @Nullable Action machineDigest(LogEntry.MachineDigest entry, VcpuPosition position)
      throws SysException {
    if (!reachedBy(entry.exits(), position)) {
      return beforeOrPast(entry.exits(), position);
    }
    return check.machine(entry, position, exits) ? null : Action.STOP;
  }

  /** Whether the guest stands at this exit, or at steps from it. */
  private boolean reachedBy(long entryExits, VcpuPosition position) {
    return position.guestExits() == entryExits && !between;
  }

  private @Nullable Action beforeOrPast(long entryExits, VcpuPosition position) {
    return position.guestExits() < entryExits ? run(position) : past();
  }

  private @Nullable Action past() {
    return diverge(Divergence.Kind.POINT, "a guest that is past it, at exit " + exits);
  }

  private @Nullable Action pages(LogEntry.Pages entry, VcpuPosition position) throws SysException {
    Optional<String> wrong = StateSyncs.stage(entry, position.machine());
    if (wrong.isPresent()) {
      return diverge(Divergence.Kind.POINT, wrong.get());
    }
    log.take();
    return null;
  }

  private @Nullable Action point(ExecutionPoint at, VcpuPosition position) throws SysException {
    if (at instanceof ExecutionPoint.Counter counter && search.isFor(counter)) {
      return counterPoint(counter, position);
    }
    if (!reachedBy(at.exits(), position)) {
      return beforeOrPast(at.exits(), position);
    }
    switch (at) {
      case ExecutionPoint.AtExit _ -> {
        if (steps > 0) {
          return past();
        }
      }
      case ExecutionPoint.Step step -> {
        if (steps < step.steps()) {
          position.completeInstruction();
          if (position.guestExits() != at.exits() || position.halted()) {
            return past();
          }
          steps++;
          stepping = true;
          return Action.STEP;
        }
        if (steps > step.steps()) {
          return past();
        }
      }
      case ExecutionPoint.StateSync sync -> {
        Optional<String> other = StateSyncs.apply(sync, position.machine());
        if (other.isPresent()) {
          return diverge(Divergence.Kind.POINT, other.get());
        }
        count = 0;
      }
      case ExecutionPoint.Counter counter -> {
        position.completeInstruction();
        if (steps > 0 || position.guestExits() != at.exits()) {
          return past();
        }
        search.begin(counter, count);
        return counterPoint(counter, position);
      }
    }
    return takePoint(at);
  }

  private @Nullable Action takePoint(ExecutionPoint at) {
    log.take();
    point = at;
    return null;
  }

  private @Nullable Action counterPoint(ExecutionPoint.Counter at, VcpuPosition position)
      throws SysException {
    if (position.guestExits() != at.exits() || position.halted()) {
      search.giveUp();
      return past();
    }
    point = null;
    return switch (search.look(position)) {
      case RUN -> {
        watch.arm();
        yield Action.RUN;
      }
      case STEP -> Action.STEP;
      case FOUND -> {
        between = false;
        count = at.count();
        yield takePoint(at);
      }
      case MISSED -> diverge(Divergence.Kind.POINT, search.missed());
    };
  }

  private @Nullable Action input(LogEntry.Input entry) {
    if (point == null) {
      return diverge(Divergence.Kind.POINT, "no point to apply it at");
    }
    log.take();
    current = entry.input();
    if (entry.input() instanceof ExternalInput.TimerExpiry expiry) {
      clock.advanceTo(expiry.nowNanos());
    }
    return Action.APPLY;
  }

  private @Nullable Action delivery(VcpuPosition position) throws SysException {
    ExecutionPoint at = point;
    if (at == null) {
      return diverge(Divergence.Kind.POINT, "no point to deliver it at");
    }
    position.completeInstruction();
    if (position.guestExits() != at.exits()) {
      return past();
    }
    if (!position.interruptPending()) {
      return diverge(Divergence.Kind.DELIVERY, "no pending interrupt");
    }
    if (!position.canTakeInterrupt()) {
      return diverge(Divergence.Kind.DELIVERY, "a guest that cannot take an interrupt here");
    }
    return Action.DELIVER;
  }

  @Override
  public void delivered(int vector) {
    if (log.peek() instanceof LogEntry.Delivery delivery && delivery.vector() == vector) {
      log.take();
    } else {
      diverge(Divergence.Kind.DELIVERY, "vector " + vector);
    }
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    exits++;
    roll.add(exit, address, sizeBytes, data);
    difference.guestExit(exit, address, sizeBytes, data);
    if (exits % ExitRoll.EXITS_PER_DIGEST != 0 || difference.found()) {
      return;
    }
    if (log.peek() instanceof LogEntry.ExitDigest entry
        && entry.exits() == exits
        && entry.digest() == roll.digest()) {
      difference.exitsWereEqual(exits);
      log.take();
    } else if (log.peekKind() != null) {
      diverge(
          Divergence.Kind.EXITS, "exit digest %08x after %d exits".formatted(roll.digest(), exits));
    }
  }

  @Override
  public ExternalInput input() {
    ExternalInput input = current;
    if (input == null) {
      throw new IllegalStateException("no input to apply");
    }
    return input;
  }

  @Override
  public void armTimer(int timer, long newDeadlineNanos) {
    // Expiries come from the log; the deadlines are for whoever goes live from here.
    deadlineNanos[timer] = newDeadlineNanos;
  }

  private void watchProgress(VcpuPosition position) {
    long stalledNanos = watch.stalledNanos(position.guestExits());
    if (stalledNanos > options.stallNanos()) {
      diverge(
          Divergence.Kind.STALL, "no guest exit for %d s".formatted(stalledNanos / 1_000_000_000L));
    }
    watch.arm();
  }

  /** What the log has next is not what the replay has come to. */
  private @Nullable Action diverge(Divergence.Kind kind, String replayed) {
    difference.add(kind, exits, log.position(), Descriptions.ofNext(log), replayed);
    return Action.STOP;
  }

  /**
   * How the replay ended. After {@code Machine.run}, on the same thread; checks what the log says
   * of the end.
   */
  public ReplayOutcome finish(VcpuPosition position, RunResult result) throws SysException {
    watch.stop();
    position.completeInstruction();
    if (!difference.found() && reached) {
      return new ReplayOutcome.Reached(exits);
    }
    if (!difference.found() && logOver) {
      return new ReplayOutcome.LogEnded(exits);
    }
    String digest = difference.found() ? "" : checkEnd(position, result);
    if (difference.found()) {
      return new ReplayOutcome.Diverged(difference.report(position, exits));
    }
    return digest.isEmpty()
        ? new ReplayOutcome.LogEnded(exits)
        : new ReplayOutcome.Equal(exits, digest);
  }

  private String checkEnd(VcpuPosition position, RunResult result) throws SysException {
    if (log.peekKind() == null) {
      return "";
    }
    LogEntry next = next();
    if (!(next instanceof LogEntry.MachineDigest machine) || machine.exits() != exits) {
      diverge(Divergence.Kind.END, "the end of the guest: " + Endings.of(result));
      return "";
    }
    if (!check.machine(machine, position, exits)) {
      return "";
    }
    LogEntry.Ending how = Endings.of(result);
    if (!(log.peek() instanceof LogEntry.End end && end.exits() == exits && end.how() == how)) {
      diverge(Divergence.Kind.END, "the end of the guest: " + how);
      return "";
    }
    log.take();
    return machine.digest().name();
  }

  /** Comparisons so far. */
  public Compared compared() {
    return check.compared();
  }

  /** The guest clock as far as the replay has come, for whoever goes live from here. */
  public long clockNanos() {
    return clock.nanos();
  }

  /** When a timer is due, for whoever goes live from here; empty when it is off. */
  public OptionalLong deadlineNanos(int timer) {
    return deadlineNanos[timer] == TimerPort.NEVER
        ? OptionalLong.empty()
        : OptionalLong.of(deadlineNanos[timer]);
  }

  /** Whether the log had no more to say when the replay stopped. */
  public boolean cameToTheEnd() {
    return logOver && !difference.found();
  }
}
