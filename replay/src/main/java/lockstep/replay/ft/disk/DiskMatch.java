package lockstep.replay.ft.disk;

import java.util.List;
import java.util.Optional;
import lockstep.monitor.block.Geometry;

/** Whether what a backup has for the guest's disk can take over from the primary's. */
public final class DiskMatch {
  private DiskMatch() {}

  /**
   * Why not; one line. Whether they are the same disks, with the same content, is the arbiter's to
   * find.
   *
   * @param wanted what the guest knows of its disks
   * @param here what this host has
   */
  public static Optional<String> objection(List<Geometry> wanted, List<Geometry> here) {
    if (here.isEmpty() && wanted.size() == 1) {
      return Optional.of(
          "the VM has a disk of %d bytes, and this backup was started without --disk; give it the"
                  .formatted(wanted.getFirst().capacityBytes())
              + " same one");
    }
    if (here.size() < wanted.size()) {
      return Optional.of(
          "the VM has %d disks, and this backup was started with %d; give it the same --disk options"
              .formatted(wanted.size(), here.size()));
    }
    for (int i = 0; i < wanted.size(); i++) {
      String name = wanted.size() == 1 ? "disk" : "disk " + i;
      Optional<String> objection = objection(name, wanted.get(i), here.get(i));
      if (objection.isPresent()) {
        return objection;
      }
    }
    return Optional.empty();
  }

  private static Optional<String> objection(String name, Geometry wanted, Geometry disk) {
    if (disk.capacityBytes() != wanted.capacityBytes()) {
      return Optional.of(
          "the VM's %s has %d bytes, and the backup's has %d; give both the same --disk"
              .formatted(name, wanted.capacityBytes(), disk.capacityBytes()));
    }
    if (disk.blockBytes() != wanted.blockBytes()) {
      return Optional.of(
          "the VM's %s has blocks of %d bytes, and the backup's of %d; give both the same --disk"
              .formatted(name, wanted.blockBytes(), disk.blockBytes()));
    }
    if (disk.readOnly() && !wanted.readOnly()) {
      return Optional.of(
          "the VM writes to its %s, and the backup may only read its own; give it write permission"
              .formatted(name));
    }
    if (wanted.canDiscard() && !disk.canDiscard()) {
      return Optional.of(
          "the VM's %s can give back blocks, and the backup's cannot; reach it in the same way"
              .formatted(name));
    }
    return Optional.empty();
  }
}
