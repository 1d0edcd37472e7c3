package lockstep.replay.placement;

import java.util.Optional;
import java.util.Random;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.input.VcpuPosition;

/**
 * A CPU that runs one endless made-up program: a body of straight code with string instructions,
 * closed by a conditional branch back, some turns over, then a jump to the start. Branches are
 * counted; every other instruction changes a register or not, by its address.
 */
final class SyntheticCpu implements VcpuPosition, InstructionCounter {
  private static final int RCX = 2;
  private static final int RBP = 7;
  private static final int RIP = 16;
  private static final int RFLAGS = 17;
  private static final long BASE = 0x10_0000;
  private static final long RESUME_FLAG = 1 << 16;

  private final Random random;
  private final int bodyInstructions;
  private final int turns;
  private final int repIterations;
  private final long margin;
  private final long maxSkid;

  private final long[] registers = new long[REGISTERS];
  private long instructions;
  private long branches;
  private long countedFrom;
  private long stopAt = Long.MAX_VALUE;
  private Stop stop = Stop.START;
  boolean exact = true;

  /** Two of one seed run the same program; how they skid is of {@code random}. */
  SyntheticCpu(long program, Random random, long margin, long maxSkid) {
    Random shape = new Random(program);
    this.bodyInstructions = 1 + shape.nextInt(12);
    this.turns = 1 + shape.nextInt(200);
    this.repIterations = 1 + shape.nextInt(20);
    this.random = random;
    this.margin = margin;
    this.maxSkid = maxSkid;
    registers[RIP] = BASE;
    registers[RFLAGS] = 2;
  }

  private boolean isRep(int at) {
    return at % 5 == 3;
  }

  /** One instruction, or one iteration of a string instruction. */
  void step() {
    int at = (int) (registers[RIP] - BASE);
    stop = Stop.STEPPED;
    instructions++;
    if (at == bodyInstructions) { // the counted branch
      branches++;
      registers[RBP]++;
      registers[RIP] = registers[RBP] % turns == 0 ? BASE + at + 1 : BASE;
    } else if (at > bodyInstructions) { // a jump, not counted
      registers[RIP] = BASE;
    } else if (isRep(at)) {
      registers[RCX] = registers[RCX] == 0 ? repIterations : registers[RCX] - 1;
      if (registers[RCX] == 0) {
        registers[RIP]++;
      }
    } else {
      // Half of the instructions leave no trace but RIP, and so do half of the loop's turns.
      registers[0] ^= at % 2 == 0 ? 0 : registers[RBP] / 2 % 2 * at;
      registers[RIP]++;
    }
  }

  /** Runs until the counter, the host or the end of patience stops it, anywhere. */
  void run() {
    boolean kicked = random.nextInt(4) == 0;
    long branchesToGo =
        kicked || stopAt == Long.MAX_VALUE
            ? random.nextInt(300)
            : Math.max(0, stopAt - branches) + random.nextLong(maxSkid + 1);
    long stand = Math.addExact(branches, branchesToGo);
    if (kicked) {
      // No later than the overflow would stop it.
      stand = Math.min(stand, stopAt);
    }
    while (branches < stand) {
      step();
    }
    for (int more = random.nextInt(bodyInstructions + 3); more > 0; more--) {
      step();
    }
    registers[RFLAGS] = random.nextBoolean() ? 2 : 2 | RESUME_FLAG;
    stop = Stop.HOST;
  }

  long instructions() {
    return instructions;
  }

  long branches() {
    return branches;
  }

  @Override
  public Optional<String> missing() {
    return Optional.empty();
  }

  @Override
  public void start() {
    countedFrom = branches;
    stopAt = Long.MAX_VALUE;
  }

  @Override
  public void startAndStopAfter(long count) {
    if (count < 1) {
      throw new IllegalArgumentException("stop after " + count);
    }
    countedFrom = branches;
    stopAt = branches + count;
  }

  @Override
  public long read() {
    return exact ? branches - countedFrom : INEXACT;
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
  public long guestExits() {
    return 7;
  }

  @Override
  public Stop stop() {
    return stop;
  }

  @Override
  public boolean halted() {
    return false;
  }

  @Override
  public boolean interruptPending() {
    return false;
  }

  @Override
  public boolean canTakeInterrupt() {
    return false;
  }

  @Override
  public boolean interruptsEnabled() {
    return false;
  }

  @Override
  public void completeInstruction() {
    // Always complete.
  }

  @Override
  public boolean ended() {
    return false;
  }

  @Override
  public void readRegisters(long[] values) {
    System.arraycopy(registers, 0, values, 0, REGISTERS);
  }

  @Override
  public boolean inKernelMode() {
    return true;
  }

  @Override
  public boolean canStep() {
    return true;
  }

  @Override
  public StoppedMachine machine() {
    throw new UnsupportedOperationException("nothing but registers here");
  }
}
