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
 */
public record MachineOrigin(MachineConfig config, QuirkSet quirks, Cpuid cpuid) {
  private static final int DETERMINISTIC = 1;
  private static final int HOST = 2;

  /** In the form that {@code StateCodec} writes. */
  record Encoded(
      long memoryBytes,
      int cpu,
      long rtcEpochSeconds,
      boolean rewriteCpuid,
      boolean syscallShim,
      List<Leaf> cpuid,
      List<Geometry> disks)
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
        cpuid.entries().stream()
            .map(
                e ->
                    new Leaf(
                        e.leaf(), e.subleaf(), e.indexed(), e.eax(), e.ebx(), e.ecx(), e.edx()))
            .toList(),
        config.disk().stream().toList());
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
    if (encoded.disks().size() > 1) {
      throw new IllegalArgumentException(encoded.disks().size() + " disks");
    }
    return new MachineOrigin(
        new MachineConfig(
            encoded.memoryBytes(),
            cpu,
            encoded.rtcEpochSeconds(),
            encoded.disks().stream().findFirst()),
        new QuirkSet(encoded.rewriteCpuid(), encoded.syscallShim()),
        new Cpuid(entries));
  }

  /**
   * Why a machine of this origin cannot go on on a host, as the end of a sentence about it; empty
   * if it can. A workaround that this host does not need does no harm; one that it needs and that
   * the machine does not have cannot be added to a guest that has started.
   *
   * @param host the workarounds that the host's KVM needs
   * @param offered what CPUID would show a guest of this configuration on the host
   */
  public Optional<String> complaint(QuirkSet host, Cpuid offered) {
    if (!cpuid.equals(offered)) {
      return Optional.of(
          "is of a machine with another CPU than this host gives: " + difference(offered));
    }
    if (host.rewriteCpuid() && !quirks.rewriteCpuid()) {
      return Optional.of(
          "is of a guest whose CPUID instructions were not rewritten, as this KVM needs");
    }
    if (host.syscallShim() && !quirks.syscallShim()) {
      return Optional.of("is of a guest without the system call shim that this KVM needs");
    }
    return Optional.empty();
  }

  private String difference(Cpuid offered) {
    for (Cpuid.Entry mine : cpuid.entries()) {
      Optional<Cpuid.Entry> other = offered.find(mine.leaf(), mine.subleaf());
      if (other.isEmpty() || !other.get().equals(mine)) {
        return "CPUID leaf 0x%x differs".formatted(mine.leaf());
      }
    }
    return "it has more CPUID leaves";
  }
}
