package lockstep.replay.ft;

import java.util.Optional;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.primary.StateReplication;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.vcpu.RoleThread;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.sys.SysException;

/** Ends the VM at this host in an orderly way, so that the other side learns of it. vCPU thread. */
final class VmShutdown {
  private final FtNode node;
  private final RoleThread vcpu;
  private final OutputDrain drain;
  private final StateReplication replication;

  VmShutdown(FtNode node, RoleThread vcpu, OutputDrain drain, StateReplication replication) {
    this.node = node;
    this.vcpu = vcpu;
    this.drain = drain;
    this.replication = replication;
  }

  /**
   * The guest has ended; what it showed leaves first. While it is open which side continues,
   * nothing has ended: a side that loses then halts.
   */
  VmEnd guestEnded(VirtualMachine on, RunResult result) throws SysException, InterruptedException {
    long end = replication.guestEnded(on, result);
    int lost = drain.drainToTheEnd(end);
    Optional<String> halted = vcpu.halted();
    if (halted.isPresent()) {
      return new VmEnd.Halted(halted.get());
    }
    node.post(new FtEvent.GuestEnded(inWords(result)));
    node.settle();
    return new VmEnd.Guest(result, lost);
  }

  private static String inWords(RunResult result) {
    return switch (result) {
      case RunResult.ExitPort exit -> "the guest has ended with exit code " + exit.code();
      case RunResult.Reset _ -> "the guest asked for a reset";
      case RunResult.Stopped _ -> "the VM was stopped";
      case RunResult.HaltedForGood _ -> "the guest halted for good";
      case RunResult.Fenced fenced -> fenced.reason();
      case RunResult.Crashed _ -> "the guest has crashed";
    };
  }

  /**
   * This host cannot run the guest any more: its KVM or its monitor failed. The other side takes
   * over and shows whether it is the guest's own doing, so it hears of no end, and of nothing more.
   *
   * @param reason one line
   * @return how this side ends; empty when there is no other side
   */
  Optional<VmEnd> hostFailed(String reason) throws InterruptedException {
    FtState state = node.status().state();
    if (state != FtState.PROTECTED && !state.isUndecided()) {
      return Optional.empty();
    }
    String line = "this host cannot run the guest, which is left to the backup: " + reason;
    node.post(new FtEvent.Fenced(line));
    node.settle();
    return Optional.of(new VmEnd.Halted(vcpu.halted().orElse(line)));
  }

  /** Another host has the disk: this is no end of the guest, and the other side hears of none. */
  VmEnd fenced(String reason) throws InterruptedException {
    node.post(new FtEvent.Fenced(reason));
    node.settle();
    return new VmEnd.Halted(vcpu.halted().orElse(reason));
  }
}
