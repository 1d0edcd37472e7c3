package lockstep.monitor;

import java.util.List;
import java.util.Optional;
import lockstep.kvm.CpuModel;
import lockstep.monitor.block.Geometry;

/**
 * What a machine is built from. Two machines built from equal configurations start equal.
 *
 * @param memoryBytes guest RAM, a multiple of 4,096
 * @param cpu what CPUID shows the guest
 * @param rtcEpochSeconds what the CMOS clock shows at guest clock 0, seconds since 1970-01-01 UTC
 * @param disks what each disk is like, at most {@link MachineLayout#MAX_DISKS}
 * @param rng whether it has an entropy device
 */
public record MachineConfig(
    long memoryBytes, CpuModel.Kind cpu, long rtcEpochSeconds, List<Geometry> disks, boolean rng) {
  private static final long PAGE_BYTES = 4096;

  /** Checks the bounds; see {@link #complaint} for the message a user should see. */
  public MachineConfig {
    complaint(memoryBytes)
        .ifPresent(
            complaint -> {
              throw new IllegalArgumentException(complaint);
            });
    disks = List.copyOf(disks);
    if (disks.size() > MachineLayout.MAX_DISKS) {
      throw new IllegalArgumentException(
          "%d disks, and %d at most".formatted(disks.size(), MachineLayout.MAX_DISKS));
    }
  }

  /** A machine without disks or other devices that a user chooses. */
  public MachineConfig(long memoryBytes, CpuModel.Kind cpu, long rtcEpochSeconds) {
    this(memoryBytes, cpu, rtcEpochSeconds, List.of(), false);
  }

  /** The same machine with these disks. */
  public MachineConfig withDisks(List<Geometry> geometries) {
    return new MachineConfig(memoryBytes, cpu, rtcEpochSeconds, geometries, rng);
  }

  /** The same machine with one disk. */
  public MachineConfig withDisk(Geometry geometry) {
    return withDisks(List.of(geometry));
  }

  /** The same machine with an entropy device. */
  public MachineConfig withRng() {
    return new MachineConfig(memoryBytes, cpu, rtcEpochSeconds, disks, true);
  }

  /** What is wrong with this much memory, as one line for the user; empty if nothing is. */
  public static Optional<String> complaint(long memoryBytes) {
    if (memoryBytes < MachineLayout.MIN_MEMORY_BYTES) {
      return Optional.of(
          "memory of %d bytes is too small: 2 MiB is the least; give --memory 64M or more"
              .formatted(memoryBytes));
    }
    if (memoryBytes > MachineLayout.MAX_MEMORY_BYTES) {
      return Optional.of(
          "memory of %d MiB is more than this machine supports: give --memory 64G or less"
              .formatted(memoryBytes >> 20));
    }
    if (memoryBytes % PAGE_BYTES != 0) {
      return Optional.of(
          "memory of %d bytes is not a multiple of 4096: round it".formatted(memoryBytes));
    }
    return Optional.empty();
  }
}
