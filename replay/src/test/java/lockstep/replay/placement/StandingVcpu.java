package lockstep.replay.placement;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.input.VcpuPosition;

/** A vCPU that stands where the test says, and its counter. */
public final class StandingVcpu implements VcpuPosition, InstructionCounter {
  public Stop stop = Stop.START;
  public long count;

  /** What its registers show. */
  public long place;

  public boolean pending;
  public boolean canTake;

  /** What is seen of it at a state-sync. */
  public Optional<StoppedMachine> machine = Optional.empty();

  /** After how many counts the guest was to be stopped. */
  public final List<Long> asked = new ArrayList<>();

  private final long margin;

  /**
   * @param margin what the counter claims
   */
  public StandingVcpu(long margin) {
    this.margin = margin;
  }

  @Override
  public Optional<String> missing() {
    return Optional.empty();
  }

  @Override
  public void start() {
    count = 0;
  }

  @Override
  public void startAndStopAfter(long stopAfter) {
    count = 0;
    asked.add(stopAfter);
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
  public long guestExits() {
    return 0;
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
    return pending;
  }

  @Override
  public boolean canTakeInterrupt() {
    return canTake;
  }

  @Override
  public boolean interruptsEnabled() {
    return canTake;
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
    values[0] = place;
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
    return machine.orElseThrow(() -> new UnsupportedOperationException("no machine here"));
  }
}
