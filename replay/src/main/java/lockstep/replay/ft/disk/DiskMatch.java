package lockstep.replay.ft.disk;

import java.util.Optional;
import lockstep.monitor.block.Geometry;

/** Whether what a backup has for the guest's disk can take over from the primary's. */
public final class DiskMatch {
  private DiskMatch() {}

  /**
   * Why not; one line. Whether it is the same disk, with the same content, is the arbiter's to
   * find.
   *
   * @param wanted what the guest knows of its disk
   * @param here what this host has
   */
  public static Optional<String> objection(Geometry wanted, Optional<Geometry> here) {
    if (here.isEmpty()) {
      return Optional.of(
          "the VM has a disk of %d bytes, and this backup was started without --disk; give it the"
                  .formatted(wanted.capacityBytes())
              + " same one");
    }
    Geometry disk = here.get();
    if (disk.capacityBytes() != wanted.capacityBytes()) {
      return Optional.of(
          "the VM's disk has %d bytes, and the backup's has %d; give both the same --disk"
              .formatted(wanted.capacityBytes(), disk.capacityBytes()));
    }
    if (disk.blockBytes() != wanted.blockBytes()) {
      return Optional.of(
          "the VM's disk has blocks of %d bytes, and the backup's of %d; give both the same --disk"
              .formatted(wanted.blockBytes(), disk.blockBytes()));
    }
    if (disk.readOnly() && !wanted.readOnly()) {
      return Optional.of(
          "the VM writes to its disk, and the backup may only read its own; give it write"
              + " permission");
    }
    if (wanted.canDiscard() && !disk.canDiscard()) {
      return Optional.of(
          "the VM's disk can give back blocks, and the backup's cannot; reach it in the same way");
    }
    return Optional.empty();
  }
}
