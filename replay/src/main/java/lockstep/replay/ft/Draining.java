package lockstep.replay.ft;

import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import lockstep.sys.Scheduler;

/** Waits for what the guest showed to leave, while the guest stands. vCPU thread. */
final class Draining {
  /** How long outputs that wait for the other side, the terminal or the disk may take to leave. */
  private static final long DRAIN_NANOS = TimeUnit.SECONDS.toNanos(30);

  private static final long POLL_NANOS = 1_000_000L;

  private final Scheduler host;
  private final OutputGate gate;
  private final OutputPump pump;
  private final RoleThread vcpu;
  private final Consumer<String> notes;

  Draining(
      Scheduler host, OutputGate gate, OutputPump pump, RoleThread vcpu, Consumer<String> notes) {
    this.host = host;
    this.gate = gate;
    this.pump = pump;
    this.vcpu = vcpu;
    this.notes = notes;
  }

  /** Outputs that have not left. */
  int waiting() {
    return gate.waiting();
  }

  /** Waits until everything that the guest showed has left, or never may; tells of a loss. */
  void drain() throws InterruptedException {
    if (!awaitDrainedAnd(() -> true, DRAIN_NANOS)) {
      notes.accept(gate.waiting() + " outputs have not left in time and are lost");
    }
  }

  /**
   * Waits until everything has left and something else is so as well.
   *
   * @param limitNanos how long at most
   * @return false when that was not so in time; true also when this side has to halt
   */
  boolean awaitDrainedAnd(BooleanSupplier other, long limitNanos) throws InterruptedException {
    long start = host.nanoTime();
    while (!(pump.isDrained() && other.getAsBoolean()) && vcpu.halted().isEmpty()) {
      if (host.nanoTime() - start > limitNanos) {
        return false;
      }
      host.sleep(POLL_NANOS);
    }
    return true;
  }
}
