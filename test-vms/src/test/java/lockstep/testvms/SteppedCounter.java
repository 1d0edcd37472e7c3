package lockstep.testvms;

import java.util.Optional;
import java.util.Random;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;
import lockstep.replay.placement.InstructionCounter;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * A performance counter made of single steps, for hosts that have none: it counts the guest's taken
 * jumps exactly and stops the guest with a random skid. Stands between the machine and its recorder
 * or replayer, which see host stops where a real counter would make them. Every entry into the
 * guest is made of steps, of both: what a step of an interrupt's delivery leaves in its stack frame
 * (TF) is then the same.
 *
 * <p>Only for code that the host can step: CPL0 on every KVM known.
 */
final class SteppedCounter implements InputSource, InstructionCounter {
  private static final int RIP = 16;
  private static final int LONGEST_INSTRUCTION = 15;

  /** The host breaks in once in so many steps. */
  private static final int STEPS_PER_KICK = 64;

  private static final long NEVER = Long.MAX_VALUE;

  private final Random random;
  private final long margin;
  private final long minSkid;
  private final long maxSkid;
  private final long[] registers = new long[VcpuPosition.REGISTERS];
  private final Position position = new Position();

  private @Nullable InputSource real;
  private @Nullable VcpuPosition machine;

  /** What the source asked for and the guest is doing; APPLY: nothing, the source is asked. */
  private Action making = Action.APPLY;

  private long ripBefore;
  private long count;
  private long stopAt = NEVER;
  private boolean hostStop;
  private long steps;
  private long stops;

  /**
   * @param random of the skids
   * @param margin what the counter claims
   * @param minSkid jumps past the asked-for one, at least; below 0 it comes early
   * @param maxSkid at most
   */
  SteppedCounter(Random random, long margin, long minSkid, long maxSkid) {
    this.random = random;
    this.margin = margin;
    this.minSkid = minSkid;
    this.maxSkid = maxSkid;
  }

  /** Stands before this source from now on. */
  InputSource before(InputSource source) {
    real = source;
    return this;
  }

  /** Single steps made. */
  long steps() {
    return steps;
  }

  /** How often the counter stopped the guest. */
  long stops() {
    return stops;
  }

  private InputSource real() {
    InputSource source = real;
    if (source == null) {
      throw new IllegalStateException("stands before nothing");
    }
    return source;
  }

  @Override
  public Action next(VcpuPosition at) throws InterruptedException, SysException {
    machine = at;
    VcpuPosition.Stop stop = at.stop();
    if (making != Action.APPLY) {
      if (stop == VcpuPosition.Stop.STEPPED && !afterStep(at)) {
        return Action.STEP;
      }
      if (stop == VcpuPosition.Stop.HOST) {
        countJump(at); // a kick can come between an interrupt's delivery and the instruction
      }
      hostStop = stop == VcpuPosition.Stop.STEPPED && making != Action.STEP;
      making = Action.APPLY;
    }
    Action action = real().next(position);
    return switch (action) {
      case RUN, RUN_TO_WINDOW, STEP -> {
        making = action;
        yield beforeStep(at);
      }
      case APPLY, DELIVER, WAIT, STOP -> action;
    };
  }

  private Action beforeStep(VcpuPosition at) throws SysException {
    at.readRegisters(registers);
    ripBefore = registers[RIP];
    return Action.STEP;
  }

  private void countJump(VcpuPosition at) throws SysException {
    at.readRegisters(registers);
    long way = registers[RIP] - ripBefore;
    if (way < 0 || way > LONGEST_INSTRUCTION) {
      count++;
    }
    ripBefore = registers[RIP];
  }

  /** Counts the step; whether the entry into the guest that is made of steps ends with it. */
  private boolean afterStep(VcpuPosition at) throws SysException {
    steps++;
    countJump(at);
    if (count >= stopAt) {
      stopAt = NEVER;
      stops++;
      return true;
    }
    // The kick of another thread is spent when it comes between two steps: so look anyway.
    return making == Action.STEP
        || (making == Action.RUN_TO_WINDOW && at.canTakeInterrupt())
        || random.nextInt(STEPS_PER_KICK) == 0;
  }

  @Override
  public Optional<String> missing() {
    return Optional.empty();
  }

  @Override
  public void start() {
    count = 0;
    stopAt = NEVER;
  }

  @Override
  public void startAndStopAfter(long events) {
    count = 0;
    stopAt = Math.max(1, events + random.nextLong(minSkid, maxSkid + 1));
  }

  @Override
  public long read() {
    return count;
  }

  @Override
  public long skidMargin() {
    return margin;
  }

  @Override
  public void close() {
    // Nothing is open.
  }

  @Override
  public ExternalInput input() {
    return real().input();
  }

  @Override
  public void delivered(int vector) {
    real().delivered(vector);
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    real().armTimer(timer, deadlineNanos);
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    real().guestExit(exit, address, sizeBytes, data);
  }

  @Override
  public long nowNanos() {
    return real().nowNanos();
  }

  @Override
  public Bytes entropy(int count) {
    return real().entropy(count);
  }

  /** The machine's position, but with the host stops that the counter makes. */
  private final class Position implements VcpuPosition {
    private VcpuPosition at() {
      VcpuPosition at = machine;
      if (at == null) {
        throw new IllegalStateException("no stop yet");
      }
      return at;
    }

    @Override
    public long guestExits() {
      return at().guestExits();
    }

    @Override
    public Stop stop() {
      return hostStop ? Stop.HOST : at().stop();
    }

    @Override
    public boolean halted() {
      return at().halted();
    }

    @Override
    public boolean interruptPending() {
      return at().interruptPending();
    }

    @Override
    public boolean canTakeInterrupt() {
      return at().canTakeInterrupt();
    }

    @Override
    public boolean interruptsEnabled() {
      return at().interruptsEnabled();
    }

    @Override
    public void completeInstruction() throws SysException {
      at().completeInstruction();
    }

    @Override
    public boolean ended() {
      return at().ended();
    }

    @Override
    public void readRegisters(long[] values) throws SysException {
      at().readRegisters(values);
    }

    @Override
    public boolean inKernelMode() throws SysException {
      return at().inKernelMode();
    }

    @Override
    public boolean canStep() throws SysException {
      return at().canStep();
    }

    @Override
    public StoppedMachine machine() {
      return at().machine();
    }
  }
}
