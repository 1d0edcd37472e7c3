package lockstep.replay.ft;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.primary.StateReplication;
import lockstep.replay.ft.vcpu.RoleSwitch;
import lockstep.replay.ft.vcpu.RoleThread;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.sys.SysException;

/** The machine while it is the VM: alone or recorded, it talks to the world. vCPU thread. */
final class LiveMachine {
  private final VirtualMachine machine;
  private final HostInputs inputs;
  private final RoleSwitch roleSwitch;
  private final RoleThread vcpu;
  private final StateReplication replication;
  private final VmShutdown shutdown;

  /**
   * A machine whose role switch is live already.
   *
   * @param inputs where its inputs come from, with or without a log
   */
  LiveMachine(
      VirtualMachine machine,
      HostInputs inputs,
      RoleSwitch roleSwitch,
      RoleThread vcpu,
      StateReplication replication,
      VmShutdown shutdown) {
    this.machine = machine;
    this.inputs = inputs;
    this.roleSwitch = roleSwitch;
    this.vcpu = vcpu;
    this.replication = replication;
    this.shutdown = shutdown;
  }

  VirtualMachine machine() {
    return machine;
  }

  HostInputs inputs() {
    return inputs;
  }

  /** Runs it to the end of the VM here, and in between does what others ask for. */
  VmEnd toTheEnd() throws Exception {
    vcpu.commands().run();
    RunResult result;
    try {
      result = roleSwitch.run(machine);
    } catch (SysException e) {
      Optional<VmEnd> elsewhere = shutdown.hostFailed(String.valueOf(e.getMessage()));
      if (elsewhere.isEmpty()) {
        throw e;
      }
      return elsewhere.get();
    }
    Optional<String> halted = vcpu.halted();
    if (halted.isPresent()) {
      return new VmEnd.Halted(halted.get());
    }
    if (result instanceof RunResult.Fenced fenced) {
      return shutdown.fenced(fenced.reason());
    }
    if (result instanceof RunResult.Crashed crash && crash.cause() == RunResult.Cause.HOST) {
      Optional<VmEnd> elsewhere =
          shutdown.hostFailed(crash.report().lines().findFirst().orElse(""));
      if (elsewhere.isPresent()) {
        return elsewhere.get();
      }
    }
    return shutdown.guestEnded(machine, result);
  }

  /** What a copy of the machine continues with. */
  SavedInputs savedInputs() {
    return SavedInputs.ofWaiting(inputs.nowNanos(), waitingInputs());
  }

  /** Inputs that the guest has not had yet, oldest first. */
  private List<ExternalInput> waitingInputs() {
    List<ExternalInput> waiting = new ArrayList<>(replication.held());
    waiting.addAll(inputs.waiting());
    return waiting;
  }

  /** Requests that the disk has not answered; answers may still wait for the guest. */
  int diskRequestsUnanswered() {
    return machine.diskRequestsUnanswered(waitingInputs()).size();
  }

  /**
   * Whether the disk has answered all that the guest asked: a write that comes later would
   * overwrite what the other side writes from here on.
   */
  boolean diskIsQuiet() {
    return diskRequestsUnanswered() == 0;
  }
}
