package lockstep.replay.ft;

import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.replay.ft.disk.GuestDisk;
import lockstep.replay.ft.primary.StateReplication;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.vcpu.RoleThread;
import lockstep.replay.ft.vcpu.VmEnd;

/**
 * Planned failover: the guest is paused here until it is known which side continues. vCPU thread.
 */
public final class PlannedFailover {
  /** What one came to. */
  public sealed interface Outcome {
    /** The backup goes on, and the VM is over here. */
    record Done() implements Outcome {}

    /**
     * The VM goes on here, unless it has ended.
     *
     * @param reason one line for people
     */
    record NotDone(String reason) implements Outcome {}
  }

  private final FtNode node;
  private final RoleThread vcpu;
  private final OutputDrain drain;
  private final StateReplication replication;
  private final GuestDisk disk;
  private final Consumer<String> notes;

  PlannedFailover(
      FtNode node,
      RoleThread vcpu,
      OutputDrain drain,
      StateReplication replication,
      GuestDisk disk,
      Consumer<String> notes) {
    this.node = node;
    this.vcpu = vcpu;
    this.drain = drain;
    this.replication = replication;
    this.disk = disk;
    this.notes = notes;
  }

  /**
   * Hands over without loss; when it returns, the machine goes on here or the VM is over here.
   *
   * @param limitNanos how long outputs and the disk may take, while the guest stands
   * @param outcome told what it came to; nothing is done if that is settled already
   */
  void run(LiveMachine live, long limitNanos, CompletableFuture<Outcome> outcome)
      throws InterruptedException {
    if (outcome.isDone()) {
      return;
    }
    long unused = replication.sendAll();
    if (!drain.awaitDrainedAnd(live::diskIsQuiet, limitNanos)) {
      notDone(stillUnderWay(live, limitNanos) + "; the VM goes on here", outcome);
      return;
    }
    Optional<String> unflushed = flush(limitNanos);
    if (unflushed.isPresent()) {
      notDone(unflushed.get() + "; the VM goes on here", outcome);
      return;
    }
    if (!vcpu.mayGoOn()) {
      notDone(whyNot(), outcome);
      return;
    }
    node.post(new FtEvent.HandOver());
    node.settle();
    awaitWhoGoesOn();
    if (node.status().state() == FtState.ENDED) {
      // First, so that whoever asked hears of it before this process ends.
      outcome.complete(new Outcome.Done());
      String reason = "handed over to the backup";
      vcpu.over().complete(new VmEnd.Elsewhere(reason));
      vcpu.halt(reason);
    } else {
      notDone(whyNot(), outcome);
    }
  }

  /** What the guest was told is written must not be in this host alone; why it is, if it is. */
  private Optional<String> flush(long limitNanos) throws InterruptedException {
    vcpu.commands().excused(true);
    try {
      disk.flush(limitNanos);
      return Optional.empty();
    } catch (IOException e) {
      return Optional.of("the disk was not flushed: " + e.getMessage());
    } finally {
      vcpu.commands().excused(false);
    }
  }

  private String stillUnderWay(LiveMachine live, long limitNanos) {
    int requests = live.diskRequestsUnanswered();
    int outputs = drain.waiting();
    return "%s in %d s"
        .formatted(
            requests > 0 && outputs == 0
                ? requests + " disk requests were not answered"
                : outputs + " outputs have not left",
            TimeUnit.NANOSECONDS.toSeconds(limitNanos));
  }

  private String whyNot() {
    return vcpu.halted()
        .map(reason -> "this side halts: " + reason)
        .orElse(
            vcpu.isStopping()
                ? "the guest was stopped"
                : "the backup is gone; the VM goes on here without one");
  }

  private void notDone(String reason, CompletableFuture<Outcome> outcome) {
    notes.accept("not handed over: " + reason);
    outcome.complete(new Outcome.NotDone(reason));
  }

  /**
   * The guest stands until it is settled. A stop waits, too: it may be a guest of the other side's
   * already, and this side's end would be no end of it.
   */
  private void awaitWhoGoesOn() throws InterruptedException {
    while (node.status().state().isUndecided() && vcpu.halted().isEmpty()) {
      drain.poll();
    }
  }
}
