package lockstep.monitor.block;

/**
 * A request of a machine that may have several disks.
 *
 * @param disk which of them, from 0
 */
public record DiskRequest(int disk, BlockRequest request) {}
