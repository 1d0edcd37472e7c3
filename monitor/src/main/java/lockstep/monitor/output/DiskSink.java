package lockstep.monitor.output;

import lockstep.monitor.block.BlockRequest;

/**
 * Takes the guest's requests to its disk. How each ended comes back as a {@code
 * ExternalInput.DiskCompletion}, which alone changes the guest. Called on the vCPU thread; must not
 * block for long.
 */
public interface DiskSink {
  /** One request; it overlaps none that has not completed, unless both are reads. */
  void request(BlockRequest request);
}
