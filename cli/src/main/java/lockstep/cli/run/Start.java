package lockstep.cli.run;

import java.util.List;
import lockstep.kvm.Cpuid;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.quirk.QuirkSet;

/** Where a run begins: at a kernel's entry, or where another run was saved. */
public sealed interface Start {
  /** What to build the machine from. */
  MachineConfig config();

  /** Which workarounds it has. */
  QuirkSet quirks();

  /**
   * All that the machine is built from.
   *
   * @param supported what CPUID this host's KVM offers
   */
  MachineOrigin origin(Cpuid supported);

  /** What the guest clock shows at first. */
  long clockNanos();

  /** Inputs that come before all others. */
  List<ExternalInput> pending();

  /** Brings a fresh machine there. */
  void into(Machine machine) throws Exception;

  /** A kernel's entry. */
  record Boot(MachineConfig config, QuirkSet quirks, BootImage image) implements Start {
    @Override
    public MachineOrigin origin(Cpuid supported) {
      return MachineOrigin.here(config, quirks, supported);
    }

    @Override
    public long clockNanos() {
      return 0;
    }

    @Override
    public List<ExternalInput> pending() {
      return List.of();
    }

    @Override
    public void into(Machine machine) throws Exception {
      machine.boot(image);
    }
  }

  /** A snapshot, which is read once. */
  record Restore(SnapshotFile.Reading snapshot) implements Start {
    private MachineOrigin origin() {
      return snapshot.saved().state().origin();
    }

    @Override
    public MachineOrigin origin(Cpuid supported) {
      return origin();
    }

    @Override
    public MachineConfig config() {
      return origin().config();
    }

    @Override
    public QuirkSet quirks() {
      return origin().quirks();
    }

    @Override
    public long clockNanos() {
      return snapshot.saved().state().inputs().clockNanos();
    }

    @Override
    public List<ExternalInput> pending() {
      return snapshot.saved().state().inputs().pending();
    }

    @Override
    public void into(Machine machine) throws Exception {
      snapshot.restoreInto(machine);
    }
  }
}
