package lockstep.monitor;

import java.util.Optional;
import lockstep.kvm.CpuModel;
import lockstep.monitor.block.Geometry;

/**
 * What a machine is built from. Two machines built from equal configurations start equal.
 *
 * @param memoryBytes guest RAM, a multiple of 4,096
 * @param cpu what CPUID shows the guest
 * @param rtcEpochSeconds what the CMOS clock shows at guest clock 0, seconds since 1970-01-01 UTC
 * @param disk what the disk is like; empty for a machine without one
 */
public record MachineConfig(
    long memoryBytes, CpuModel.Kind cpu, long rtcEpochSeconds, Optional<Geometry> disk) {
  private static final long PAGE_BYTES = 4096;

  /** Checks the bounds; see {@link #complaint} for the message a user should see. */
  public MachineConfig {
    complaint(memoryBytes)
        .ifPresent(
            complaint -> {
              throw new IllegalArgumentException(complaint);
            });
  }

  /** A machine without a disk. */
  public MachineConfig(long memoryBytes, CpuModel.Kind cpu, long rtcEpochSeconds) {
    this(memoryBytes, cpu, rtcEpochSeconds, Optional.empty());
  }

  /** The same machine with a disk. */
  public MachineConfig withDisk(Geometry geometry) {
    return new MachineConfig(memoryBytes, cpu, rtcEpochSeconds, Optional.of(geometry));
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
