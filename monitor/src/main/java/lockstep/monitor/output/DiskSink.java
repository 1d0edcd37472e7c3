package lockstep.monitor.output;

import lockstep.monitor.block.BlockRequest;

/**
 * Takes the guest's requests to its disks. How each ended comes back as a {@code
 * ExternalInput.DiskCompletion}, which alone changes the guest. Called on the vCPU thread; must not
 * block for long.
 */
@FunctionalInterface
public interface DiskSink {
  /**
   * One request; it overlaps none of the same disk that has not completed, unless both are reads.
   *
   * @param disk which of the machine's disks, from 0
   */
  void request(int disk, BlockRequest request);
}
