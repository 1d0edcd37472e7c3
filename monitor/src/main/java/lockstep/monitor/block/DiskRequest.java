package lockstep.monitor.block;

/**
 * A request of a machine that may have several disks.
 *
 * @param disk which of them, from 0
 */
public record DiskRequest(int disk, BlockRequest request) {
  /** How many disks a machine has at most. */
  public static final int MAX_DISKS = 8;

  /** How many requests of one guest may be unanswered at the same time, on all of its disks. */
  public static final int MAX_UNANSWERED = MAX_DISKS * BlockRequest.MAX_UNANSWERED;
}
