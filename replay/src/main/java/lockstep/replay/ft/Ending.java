package lockstep.replay.ft;

import java.util.Optional;
import lockstep.monitor.Machine;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.SysException;

/** How the VM ends at this host: in order, and so that the other side hears of it. vCPU thread. */
final class Ending {
  private final FtNode node;
  private final RoleThread vcpu;
  private final Draining draining;
  private final Protecting protecting;

  Ending(FtNode node, RoleThread vcpu, Draining draining, Protecting protecting) {
    this.node = node;
    this.vcpu = vcpu;
    this.draining = draining;
    this.protecting = protecting;
  }

  /** The guest has ended; what it showed leaves first. */
  FtVm.End guestEnded(Machine on, RunResult result) throws SysException, InterruptedException {
    protecting.guestEnded(on, result);
    draining.drain();
    Optional<String> halted = vcpu.halted();
    if (halted.isPresent()) {
      return new FtVm.End.Halted(halted.get());
    }
    node.tell(new FtEvent.GuestEnded(result.getClass().getSimpleName()));
    node.settle();
    return new FtVm.End.Guest(result);
  }

  /** Another host has the disk: this is no end of the guest, and the other side hears of none. */
  FtVm.End fenced(String reason) throws InterruptedException {
    node.tell(new FtEvent.Fenced(reason));
    node.settle();
    return new FtVm.End.Halted(vcpu.halted().orElse(reason));
  }
}
