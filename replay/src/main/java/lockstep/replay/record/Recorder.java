package lockstep.replay.record;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.TimerPort;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.input.VcpuPosition.Stop;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.Endings;
import lockstep.replay.log.EntrySink;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.ExitRoll;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.MachineDigests;
import lockstep.replay.placement.CounterPoints;
import lockstep.replay.placement.InstructionCounter;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * The InputSource of a machine that is recorded (VM-FT, section 2.1, in user space). Only points
 * that a replay can find again are used and logged; an input waits for the next one.
 *
 * <ul>
 *   <li>at-exit: after any guest exit;
 *   <li>step: an interrupt that the guest cannot take there follows after single steps;
 *   <li>counter: with an {@link InstructionCounter}, any host stop has a name, and no input waits;
 *   <li>state-sync: a guest that makes no exits for {@code maxInputDelayNanos} is stopped anywhere,
 *       and its CPU state and the pages it wrote go to the log.
 * </ul>
 *
 * <p>An error of the log (a full disk) comes out of {@code Machine.run} as the sink threw it.
 */
public final class Recorder implements InputSource {
  /** One more than the machine's timers: wakes the vCPU when an input has waited too long. */
  public static final int TIMERS = MachineLayout.TIMERS + 1;

  private static final int DELAY_TIMER = MachineLayout.TIMERS;

  /** Inputs taken from the queue that wait for a point; more stay in the queue. */
  private static final int MAX_HELD = 64;

  /**
   * Single steps for one interrupt. Linux has interrupts off for some hundred instructions; a
   * section longer than this one is left to the next exit or to state-sync.
   */
  private static final int STEP_BUDGET = 64;

  /** A crash of the host loses at most about this much of a log file. */
  private static final long FLUSH_NANOS = TimeUnit.SECONDS.toNanos(1);

  /**
   * How soon a host stop that came too close behind a delivery is tried again: about what a CPU
   * takes for the widest skid margin.
   */
  private static final long RETRY_NANOS = TimeUnit.MICROSECONDS.toNanos(50);

  private final HostInputs host;
  private final EntrySink log;
  private final Runnable flush;
  private final RecordOptions options;
  private final InstructionCounter counter;
  private final CounterPoints counterPoints = new CounterPoints();
  private final ExitRoll roll = new ExitRoll();
  private final ArrayDeque<ExternalInput> held = new ArrayDeque<>();
  private final long[] registers = new long[VcpuPosition.REGISTERS];

  private boolean started;
  private final long startNanos;
  private long lastClockNanos;
  private long exits;
  private long lastOutputExit = -1;
  private long nextRegistersExit;
  private long nextMachineDigestNanos;
  private long nextFlushNanos;
  private int steps;
  private int stepsLeft = STEP_BUDGET;
  private long steppingSinceNanos = TimerPort.NEVER;
  private long nextStepsNanos;
  private boolean atSync;
  private boolean delivered;

  /** The host stop where the vCPU stands, when the counter named it. */
  private ExecutionPoint.@Nullable Counter counted;

  /** The least count since the last exit that may name a point. */
  private long leastCount;

  private boolean pointLogged;
  private long pointExits;
  private long waitingSinceNanos = TimerPort.NEVER;
  private @Nullable ExternalInput current;

  /** A recorder without placement counter. */
  public Recorder(
      HostInputs host, long startNanos, EntrySink log, Runnable flush, RecordOptions options) {
    this(host, startNanos, log, flush, options, InstructionCounter.none("not asked for"));
  }

  /**
   * @param host live inputs, made with {@link #TIMERS} timers
   * @param startNanos what the guest clock shows until the guest runs
   * @param log takes the entries
   * @param flush called about once a second to push them to where they outlive this process
   * @param counter names host stops; the caller's to close
   */
  public Recorder(
      HostInputs host,
      long startNanos,
      EntrySink log,
      Runnable flush,
      RecordOptions options,
      InstructionCounter counter) {
    this.counter = counter;
    this.host = host;
    this.startNanos = startNanos;
    this.lastClockNanos = startNanos;
    this.log = log;
    this.flush = flush;
    this.options = options;
  }

  /**
   * The machine's way out: marks in the log what the world can see, which a read of a disk is not,
   * then passes it on.
   */
  public OutputSink outputs(OutputSink next) {
    return new OutputSink() {
      @Override
      public void consoleByte(int value) {
        markOutput();
        next.consoleByte(value);
      }

      @Override
      public void request(int disk, BlockRequest request) {
        roll.add(disk, request);
        if (request.changes()) {
          markOutput();
        }
        next.request(disk, request);
      }
    };
  }

  private void markOutput() {
    if (lastOutputExit != exits) {
      lastOutputExit = exits;
      log.append(new LogEntry.Output(exits));
    }
  }

  @Override
  public long nowNanos() {
    if (!started) {
      // While the machine is built: a replay builds it another way and asks other questions.
      return startNanos;
    }
    lastClockNanos = Math.max(lastClockNanos, host.nowNanos());
    log.clock(lastClockNanos);
    return lastClockNanos;
  }

  @Override
  public Bytes entropy(int count) {
    Bytes bytes = host.entropy(count);
    log.append(new LogEntry.Entropy(bytes));
    return bytes;
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    if (!started) {
      start(position);
    }
    if (position.stop() == Stop.HOST && !atSync && counted == null) {
      return atHostStop(position);
    }
    if (position.stop() != Stop.STEPPED) {
      steps = 0;
    }
    return atPoint(position);
  }

  private void start(VcpuPosition position) throws SysException {
    started = true;
    exits = position.guestExits();
    nextRegistersExit = exits + options.exitsPerRegisters();
    nextMachineDigestNanos = host.nowNanos() + options.machineDigestNanos();
    if (options.stateSync()) {
      position.machine().trackDirtyPages();
    }
  }

  /**
   * Ends the recording of a machine that lives on: what is held back goes to whoever takes the live
   * inputs next. Between two runs, on the same thread.
   */
  public void release(VcpuPosition position) throws SysException {
    host.giveBack(held);
    held.clear();
    host.armTimer(DELAY_TIMER, TimerPort.NEVER);
    position.machine().untrackDirtyPages();
  }

  /** Inputs that wait here for a point, oldest first; they stay. vCPU thread. */
  public List<ExternalInput> held() {
    return List.copyOf(held);
  }

  /** At a point that a replay finds again. */
  private Action atPoint(VcpuPosition position) throws InterruptedException, SysException {
    if (position.stop() == Stop.GUEST_EXIT) {
      digests(position);
      if (position.ended()) {
        return Action.WAIT;
      }
    }
    ExternalInput due = nextInput();
    if (due != null) {
      logPoint(position);
      log.append(new LogEntry.Input(due));
      current = due;
      return Action.APPLY;
    }
    boolean pending = position.interruptPending();
    if (pending && deliverable(position)) {
      logPoint(position);
      return Action.DELIVER;
    }
    if (!pending) {
      waitingSinceNanos = TimerPort.NEVER;
    }
    if (!position.halted()) {
      return pending ? towardsDelivery(position) : run(Action.RUN, position);
    }
    host.await();
    flushIfDue();
    return Action.WAIT;
  }

  private static boolean deliverable(VcpuPosition position) throws SysException {
    // The pending port or MMIO instruction does not change IF, so it need not be completed for a
    // first look.
    if (!position.interruptsEnabled()) {
      return false;
    }
    position.completeInstruction();
    return !position.ended() && position.interruptPending() && position.canTakeInterrupt();
  }

  private Action towardsDelivery(VcpuPosition position) throws SysException {
    startWaiting();
    if (atSync || counter.missing().isEmpty()) {
      // Where the window opens is no point by itself; a counter makes it one.
      return run(Action.RUN_TO_WINDOW, position);
    }
    // Not with an interrupt on its way in: the step's trap flag would go into its frame.
    if (!delivered && stepsLeft > 0 && mayStep() && canStep(position)) {
      stepsLeft--;
      steps++;
      return run(Action.STEP, position);
    }
    // The timer that bounds the wait may have gone off in this exit already, and the guest may make
    // no other: then the open window is the stop for the state-sync.
    return run(options.stateSync() && overdue() ? Action.RUN_TO_WINDOW : Action.RUN, position);
  }

  /** Whether what waits has done so for too long. */
  private boolean overdue() {
    return host.nowNanos() - waitingSinceNanos >= options.maxInputDelayNanos();
  }

  /** Whether steps have not taken too much time lately; some in a row count as one. */
  private boolean mayStep() {
    if (options.stepReach() == StepReach.NONE) {
      return false;
    }
    long now = host.nowNanos();
    if (steppingSinceNanos == TimerPort.NEVER && now >= nextStepsNanos) {
      steppingSinceNanos = now;
    }
    return steppingSinceNanos != TimerPort.NEVER;
  }

  private void endSteps() {
    if (steppingSinceNanos != TimerPort.NEVER) {
      long now = host.nowNanos();
      nextStepsNanos = now + (now - steppingSinceNanos) * (options.timePerStepTime() - 1);
      steppingSinceNanos = TimerPort.NEVER;
    }
  }

  private boolean canStep(VcpuPosition position) throws SysException {
    return switch (options.stepReach()) {
      case NONE -> false;
      case KERNEL -> position.inKernelMode() && position.canStep();
      case ALL -> position.canStep();
    };
  }

  private Action run(Action how, VcpuPosition position) throws SysException {
    if (how != Action.STEP) {
      endSteps();
    }
    if (atSync || position.stop() == Stop.GUEST_EXIT || position.stop() == Stop.START) {
      counter.start();
    }
    pointLogged = false;
    atSync = false;
    delivered = false;
    counted = null;
    return how;
  }

  /**
   * Somewhere that only a counter can name: without, inputs wait, unless they have for too long.
   */
  private Action atHostStop(VcpuPosition position) throws InterruptedException, SysException {
    while (held.size() < MAX_HELD) {
      ExternalInput due = fromHost();
      if (due == null) {
        break;
      }
      held.add(due);
    }
    if (held.isEmpty() && !position.interruptPending()) {
      waitingSinceNanos = TimerPort.NEVER;
      return run(Action.RUN, position);
    }
    startWaiting();
    counted = counterPoints.here(position, counter).orElse(null);
    if (counted != null) {
      return counted.count() < leastCount ? tryAgain(position) : atPoint(position);
    }
    if (!options.stateSync() || !overdue()) {
      return run(Action.RUN, position);
    }
    if (held.isEmpty() && !position.canTakeInterrupt()) {
      return run(Action.RUN_TO_WINDOW, position);
    }
    stateSync(position);
    return atPoint(position);
  }

  /**
   * Where a replay would have to step an interrupt's delivery, which is more than one step: it goes
   * on into the handler, and TF stays in the frame. A skid margin later the replay enters by
   * running.
   */
  private Action tryAgain(VcpuPosition position) throws SysException {
    waitingSinceNanos = TimerPort.NEVER;
    host.armTimer(DELAY_TIMER, host.nowNanos() + RETRY_NANOS);
    return run(Action.RUN, position);
  }

  private void stateSync(VcpuPosition position) throws SysException {
    SyncPages pages = new SyncPages(log);
    position.machine().takeDirtyPages(pages);
    long count = pages.end();
    Bytes cpu = Bytes.copyOf(position.machine().cpuState());
    log.append(new LogEntry.Point(new ExecutionPoint.StateSync(position.guestExits(), cpu, count)));
    atSync = true;
    pointLogged = true;
    pointExits = position.guestExits();
  }

  private void startWaiting() {
    if (waitingSinceNanos == TimerPort.NEVER) {
      waitingSinceNanos = host.nowNanos();
      if (options.stateSync()) {
        host.armTimer(DELAY_TIMER, waitingSinceNanos + options.maxInputDelayNanos());
      }
    }
  }

  private @Nullable ExternalInput nextInput() {
    ExternalInput first = held.poll();
    return first != null ? first : fromHost();
  }

  private @Nullable ExternalInput fromHost() {
    while (true) {
      ExternalInput due = host.due();
      if (!(due instanceof ExternalInput.TimerExpiry expiry) || expiry.timer() != DELAY_TIMER) {
        return due;
      }
    }
  }

  private void logPoint(VcpuPosition position) {
    if (pointLogged && pointExits == position.guestExits()) {
      return;
    }
    pointLogged = true;
    pointExits = position.guestExits();
    ExecutionPoint.Counter named = counted;
    if (named != null) {
      log.append(new LogEntry.Point(named));
    } else if (steps == 0) {
      log.append(new LogEntry.Point(new ExecutionPoint.AtExit(pointExits)));
    } else {
      log.append(new LogEntry.Point(new ExecutionPoint.Step(pointExits, steps)));
    }
  }

  private void digests(VcpuPosition position) throws SysException {
    if (position.guestExits() < nextRegistersExit) {
      return;
    }
    // The instruction's end may bring more exits and with them entries: these come first.
    position.readRegisters(registers);
    if (position.ended()) {
      return;
    }
    nextRegistersExit = position.guestExits() + options.exitsPerRegisters();
    log.append(new LogEntry.Registers(position.guestExits(), list(registers)));
    if (host.nowNanos() >= nextMachineDigestNanos) {
      nextMachineDigestNanos = host.nowNanos() + options.machineDigestNanos();
      log.append(
          new LogEntry.MachineDigest(position.guestExits(), MachineDigests.of(position.machine())));
    }
    flushIfDue();
  }

  private static List<Long> list(long[] values) {
    List<Long> list = new ArrayList<>(values.length);
    for (long value : values) {
      list.add(value);
    }
    return list;
  }

  private void flushIfDue() {
    long now = host.nowNanos();
    if (now >= nextFlushNanos) {
      nextFlushNanos = now + FLUSH_NANOS;
      flush.run();
    }
  }

  /**
   * Ends the log: digests of the machine as it ended, and how. After {@code Machine.run}, on the
   * same thread.
   */
  public void finish(VcpuPosition position, RunResult result) throws SysException {
    position.completeInstruction();
    log.append(
        new LogEntry.MachineDigest(position.guestExits(), MachineDigests.of(position.machine())));
    log.append(new LogEntry.End(position.guestExits(), Endings.of(result)));
    flush.run();
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
  public void delivered(int vector) {
    log.append(new LogEntry.Delivery(vector));
    delivered = true;
    leastCount = (counted == null ? 0 : counted.count()) + counter.skidMargin() + 1;
    stepsLeft = STEP_BUDGET;
    waitingSinceNanos = TimerPort.NEVER;
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    host.armTimer(timer, deadlineNanos);
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    exits++;
    leastCount = 0;
    roll.add(exit, address, sizeBytes, data);
    if (exits % ExitRoll.EXITS_PER_DIGEST == 0) {
      log.append(new LogEntry.ExitDigest(exits, roll.digest()));
    }
  }
}
