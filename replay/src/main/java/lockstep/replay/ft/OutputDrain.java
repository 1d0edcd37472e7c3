package lockstep.replay.ft;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.output.OutputPump;
import lockstep.replay.ft.vcpu.RoleThread;
import lockstep.sys.Scheduler;

/** Waits until the outputs of the guest have left, while the guest is paused. vCPU thread. */
final class OutputDrain {
  /** How long outputs that wait for the other side, the terminal or the disk may take to leave. */
  private static final long DRAIN_NANOS = TimeUnit.SECONDS.toNanos(30);

  /** Without one output that leaves for so long the console or the disk takes none. */
  private static final long STUCK_NANOS = TimeUnit.SECONDS.toNanos(2);

  private static final long POLL_NANOS = 1_000_000L;

  private final Scheduler host;
  private final FtNode node;
  private final OutputGate gate;
  private final OutputPump pump;
  private final RoleThread vcpu;

  OutputDrain(Scheduler host, FtNode node, OutputGate gate, OutputPump pump, RoleThread vcpu) {
    this.host = host;
    this.node = node;
    this.gate = gate;
    this.pump = pump;
    this.vcpu = vcpu;
  }

  /** Outputs that have not left. */
  int waiting() {
    return gate.waiting();
  }

  /**
   * While the guest runs: outputs that wait must leave, or a guest that stands for them would stand
   * for long.
   *
   * @throws IOException when none leaves; one line
   */
  void needOutputsToLeave() throws IOException, InterruptedException {
    long start = host.nanoTime();
    long before = pump.done();
    while (!pump.isDrained() && pump.done() == before) {
      if (host.nanoTime() - start > STUCK_NANOS) {
        throw stuck();
      }
      host.sleep(POLL_NANOS);
    }
  }

  /**
   * While the guest stands, before a log begins: what waits now belongs to no log, and nothing of
   * it may be left.
   *
   * @throws IOException when outputs are left that do not leave; one line
   */
  void drainBeforeLog() throws IOException, InterruptedException {
    long since = host.nanoTime();
    long before = pump.done();
    while (!pump.isDrained() && vcpu.halted().isEmpty()) {
      long now = host.nanoTime();
      if (pump.done() != before) {
        before = pump.done();
        since = now;
      }
      if (now - since > STUCK_NANOS) {
        throw stuck();
      }
      poll();
    }
  }

  /** Waits a moment, and shows that the thread that waits is alive. */
  void poll() throws InterruptedException {
    vcpu.commands().comesBy();
    host.sleep(POLL_NANOS);
  }

  private IOException stuck() {
    return new IOException(
        gate.waiting()
            + " outputs wait that the console or the disk does not take; lockstep protect gives the"
            + " VM a backup when they have left");
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
      poll();
    }
    return true;
  }

  /**
   * At the guest's end: waits until the end may be told, and everything that the guest showed has
   * left. The end is an output as well: without the other side's acknowledgement or the disk's
   * decision it may never have been, and the guest may continue there.
   *
   * @param end position of the log's last entry; 0 without a log
   * @return how many outputs did not leave, because the console or the disk takes none
   */
  int drainToTheEnd(long end) throws InterruptedException {
    long since = host.nanoTime();
    long before = pump.done();
    while (vcpu.halted().isEmpty()) {
      boolean mayTell = gate.lets(end);
      if (mayTell && pump.isDrained()) {
        return 0;
      }
      long now = host.nanoTime();
      if (!mayTell || node.status().state().isUndecided() || pump.done() != before) {
        // Nothing is lost yet: who continues is open, or outputs leave.
        before = pump.done();
        since = now;
      }
      if (now - since > DRAIN_NANOS) {
        return Math.max(1, gate.waiting());
      }
      poll();
    }
    return 0;
  }
}
