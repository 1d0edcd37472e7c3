package lockstep.monitor;

import java.util.List;
import java.util.Optional;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.state.DeviceState;

/**
 * What a machine was built from. It is not changed by running, and a machine that takes over
 * another one's state must have been built from the same.
 *
 * @param config what the user chose
 * @param quirks what the KVM needed on which the machine was first built; its memory and its exits
 *     depend on it
 * @param cpuid what CPUID shows the guest
 * @param hostClock whether its kernel may read the host's clock, or the host's CPUID, by
 *     instructions that were not rewritten: a replay of it may diverge
 */
public record MachineOrigin(MachineConfig config, QuirkSet quirks, Cpuid cpuid, boolean hostClock) {
  private static final int DETERMINISTIC = 1;
  private static final int HOST = 2;

  /** In the form that {@code StateCodec} writes. */
  record Encoded(
      long memoryBytes,
      int cpu,
      long rtcEpochSeconds,
      boolean rewriteCpuid,
      boolean syscallShim,
      boolean hostClock,
      List<Leaf> cpuid,
      List<Geometry> disks,
      boolean rng)
      implements DeviceState {}

  /** See {@link Cpuid.Entry}. */
  record Leaf(int leaf, int subleaf, boolean indexed, int eax, int ebx, int ecx, int edx)
      implements DeviceState {}

  Encoded encoded() {
    return new Encoded(
        config.memoryBytes(),
        switch (config.cpu()) {
          case DETERMINISTIC -> DETERMINISTIC;
          case HOST -> HOST;
        },
        config.rtcEpochSeconds(),
        quirks.rewriteCpuid(),
        quirks.syscallShim(),
        hostClock,
        cpuid.entries().stream()
            .map(
                e ->
                    new Leaf(
                        e.leaf(), e.subleaf(), e.indexed(), e.eax(), e.ebx(), e.ecx(), e.edx()))
            .toList(),
        config.disks(),
        config.rng());
  }

  /**
   * The opposite of {@link #encoded()}.
   *
   * @throws IllegalArgumentException when no machine can be built from it
   */
  static MachineOrigin of(Encoded encoded) {
    CpuModel.Kind cpu =
        switch (encoded.cpu()) {
          case DETERMINISTIC -> CpuModel.Kind.DETERMINISTIC;
          case HOST -> CpuModel.Kind.HOST;
          default -> throw new IllegalArgumentException("CPU model number " + encoded.cpu());
        };
    List<Cpuid.Entry> entries =
        encoded.cpuid().stream()
            .map(
                e ->
                    new Cpuid.Entry(
                        e.leaf(), e.subleaf(), e.indexed(), e.eax(), e.ebx(), e.ecx(), e.edx()))
            .toList();
    return new MachineOrigin(
        new MachineConfig(
            encoded.memoryBytes(), cpu, encoded.rtcEpochSeconds(), encoded.disks(), encoded.rng()),
        new QuirkSet(encoded.rewriteCpuid(), encoded.syscallShim()),
        new Cpuid(entries),
        encoded.hostClock());
  }

  /** The same for another kernel. */
  MachineOrigin withHostClock(boolean mayRead) {
    return new MachineOrigin(config, quirks, cpuid, mayRead);
  }

  /**
   * What a machine is built from that starts on this host; its kernel is not known yet.
   *
   * @param supported what CPUID this host's KVM offers
   */
  public static MachineOrigin here(MachineConfig config, QuirkSet quirks, Cpuid supported) {
    return new MachineOrigin(config, quirks, CpuModel.table(config.cpu(), supported), false);
  }

  /**
   * Why a machine of this origin cannot go on on a host, as the end of a sentence about it; empty
   * if it can. Another KVM is no reason, nor is a CPU that can do more: the machine keeps the CPUID
   * table that it was built with.
   *
   * @param host the workarounds that the host's KVM needs
   * @param supported what CPUID the host's KVM offers
   */
  public Optional<String> complaint(QuirkSet host, Cpuid supported) {
    return cpuComplaint(supported).or(() -> quirkComplaint(host));
  }

  /** The part of {@link #complaint} that is about the host's CPU. */
  public Optional<String> cpuComplaint(Cpuid supported) {
    if (!CpuModel.sameVendor(cpuid, supported)) {
      // The makers' CPUs differ in flags and results that the architecture leaves open.
      return Optional.of("comes from a CPU of another vendor than this host's");
    }
    return CpuModel.lacking(cpuid, supported)
        .map(bits -> "needs CPU features that this host lacks: CPUID " + bits);
  }

  /**
   * The part of {@link #complaint} that is about workarounds. One that this host does not need does
   * no harm; one that it needs and that the machine does not have cannot be added to a guest that
   * has started. Whether a guest ever comes to need it cannot be told before: a replay, which
   * notices, may try.
   */
  public Optional<String> quirkComplaint(QuirkSet host) {
    if (host.rewriteCpuid() && !quirks.rewriteCpuid()) {
      return Optional.of(
          "has a guest whose CPUID instructions were not rewritten, which this KVM needs");
    }
    if (host.syscallShim() && !quirks.syscallShim()) {
      return Optional.of("has a guest without the system call shim that this KVM needs");
    }
    return Optional.empty();
  }
}
