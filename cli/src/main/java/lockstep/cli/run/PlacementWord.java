package lockstep.cli.run;

import java.util.Arrays;
import java.util.Iterator;
import java.util.Locale;
import lockstep.cli.common.CommandFailure;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.monitor.probe.DebugProbe;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.sys.SysException;

/** The values of {@code --placement}. */
public enum PlacementWord {
  AUTO,
  AT_EXIT,
  STEP,
  COUNTER,
  STATE_SYNC;

  String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** For the help text. */
  static final class Words implements Iterable<String> {
    /** Only Picocli makes one. */
    Words() {}

    @Override
    public Iterator<String> iterator() {
      return Arrays.stream(values()).map(PlacementWord::word).iterator();
    }
  }

  /**
   * What a recorder does for it on this host.
   *
   * @throws CommandFailure when this host cannot
   */
  public RecordOptions options(Kvm kvm, long maxInputDelayNanos)
      throws SysException, CommandFailure {
    // Not for AUTO: docs/replay.md says why.
    StepReach reach = this == STEP ? reach(kvm) : StepReach.NONE;
    if (this == STEP && reach == StepReach.NONE) {
      throw new CommandFailure(
          "this KVM does not single-step", "use --placement at-exit or state-sync");
    }
    RecordOptions usual = RecordOptions.of(reach);
    return new RecordOptions(
        reach,
        usual.timePerStepTime(),
        this == AUTO || this == STATE_SYNC,
        maxInputDelayNanos,
        usual.machineDigestNanos(),
        usual.exitsPerRegisters());
  }

  /**
   * What counts for it on this host; the caller closes it.
   *
   * @throws CommandFailure when it is {@link #COUNTER} and this host has none
   */
  InstructionCounter counter(Kvm kvm) throws SysException, CommandFailure {
    if (this != AUTO && this != COUNTER) {
      return InstructionCounter.none("not asked for");
    }
    InstructionCounter counter = HostCounter.open(kvm);
    if (this == COUNTER && counter.missing().isPresent()) {
      throw new CommandFailure(
          "placement counter: " + counter.missing().get(), "use --placement auto");
    }
    return counter;
  }

  private static StepReach reach(Kvm kvm) throws SysException {
    Cpuid cpuid = CpuModel.table(CpuModel.Kind.DETERMINISTIC, kvm.supportedCpuid());
    if (!DebugProbe.stepsInKernel(kvm, cpuid)) {
      return StepReach.NONE;
    }
    return DebugProbe.stepsInUser(kvm, cpuid) ? StepReach.ALL : StepReach.KERNEL;
  }
}
