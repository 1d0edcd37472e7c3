package lockstep.storage;

import java.util.function.Consumer;
import lockstep.storage.FileLease.Standing;
import lockstep.storage.scsi.ScsiArbiter;

/** What says whether this process may change a disk, where the disk's own requests do not. */
interface Tenure {
  /** Whether it may now. Cheap; any thread. */
  Standing standing();

  /** Why it never may again: one line; empty when that is not so. */
  String lossReason();

  /**
   * Has somebody told when the answer may be another one.
   *
   * @param watcher called on any thread but that of a caller that waits for requests
   */
  void watch(Consumer<Standing> watcher);

  /**
   * That of a disk with reservations whose requests no session of Lockstep sends: while the unit
   * has forgotten whose the disk is, what changes it waits, as it does on iSCSI.
   */
  static Tenure of(ScsiArbiter arbiter, String disk) {
    return new Tenure() {
      @Override
      public Standing standing() {
        return switch (arbiter.standing()) {
          case HOLDS, FOLLOWS -> Standing.HELD;
          case WAITS -> Standing.UNSURE;
          case LOST -> Standing.LOST;
        };
      }

      @Override
      public String lossReason() {
        return standing() == Standing.LOST
            ? arbiter.lossReason().orElse(disk + " is reserved for another host")
            : "";
      }

      @Override
      public void watch(Consumer<Standing> watcher) {
        // On a thread of its own: the arbiter may be told within a command of its own.
        arbiter.onStanding(
            () -> Thread.ofVirtual().name("disk-standing").start(() -> watcher.accept(standing())));
      }
    };
  }
}
