package lockstep.replay.ft.backup;

import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.snapshot.Progress;
import lockstep.replay.ft.disk.DiskMatch;
import lockstep.replay.ft.vcpu.RoleSwitch;

/** Makes machines on this host's KVM. */
public final class KvmReceiver implements MachineReceiver {
  private final Kvm kvm;
  private final List<Geometry> disks;

  /**
   * For machines that use {@code kvm}, which stays the caller's.
   *
   * @param disks what this host has for the guest's disks
   */
  public KvmReceiver(Kvm kvm, List<Geometry> disks) {
    this.kvm = kvm;
    this.disks = List.copyOf(disks);
  }

  @Override
  public Machine receive(InputStream state, RoleSwitch roleSwitch, LongConsumer clockNanos)
      throws Exception {
    SavedMachine saved = SavedMachine.open(state);
    MachineOrigin origin = saved.origin();
    Optional<String> complaint = origin.complaint(QuirkProbe.probe(kvm), kvm.supportedCpuid());
    if (complaint.isPresent()) {
      throw new IOException("the VM " + complaint.get());
    }
    Optional<String> otherDisk = DiskMatch.objection(origin.config().disks(), disks);
    if (otherDisk.isPresent()) {
      throw new IOException(otherDisk.get());
    }
    Machine machine = Machine.create(kvm, origin, roleSwitch, roleSwitch);
    try {
      machine.receive(saved, Progress.NONE);
      clockNanos.accept(saved.state().inputs().clockNanos());
      machine.restore(saved, Progress.NONE);
      return machine;
    } catch (Exception e) {
      machine.close();
      throw e;
    }
  }
}
