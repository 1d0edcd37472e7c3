package lockstep.replay.ft;

import java.util.function.Consumer;

/**
 * Planned failover: the guest stands here until it is known which side it goes on at. vCPU thread.
 */
final class HandOver {
  private static final long POLL_MILLIS = 1;

  private final FtNode node;
  private final VcpuThread vcpu;
  private final Draining draining;
  private final Protecting protecting;
  private final Consumer<String> notes;

  HandOver(
      FtNode node,
      VcpuThread vcpu,
      Draining draining,
      Protecting protecting,
      Consumer<String> notes) {
    this.node = node;
    this.vcpu = vcpu;
    this.draining = draining;
    this.protecting = protecting;
    this.notes = notes;
  }

  /** Hands over without loss; when it returns, the machine goes on here or the VM is over here. */
  void of(LiveMachine live) throws InterruptedException {
    protecting.sendAll();
    if (!draining.awaitDrainedAnd(live::diskIsQuiet)) {
      notes.accept("not handed over: outputs or disk requests are still under way");
      return;
    }
    node.tell(new FtEvent.HandOver());
    node.settle();
    awaitWhoGoesOn();
    if (node.status().state() == FtSession.State.ENDED) {
      String reason = "handed over to the backup";
      vcpu.over().complete(new FtVm.End.Elsewhere(reason));
      vcpu.halt(reason);
    }
  }

  /** The guest stands until it is settled; the user may end it meanwhile. */
  private void awaitWhoGoesOn() throws InterruptedException {
    while (node.status().state().isUndecided() && vcpu.mayGoOn()) {
      Thread.sleep(POLL_MILLIS);
    }
  }
}
