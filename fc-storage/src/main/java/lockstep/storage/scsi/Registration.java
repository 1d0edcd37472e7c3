package lockstep.storage.scsi;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.PersistentReserve.Out;

/** The key with which one nexus of this side is registered. */
final class Registration {
  private final Reservations unit;
  private final AtomicLong key;
  private final boolean persistent;

  /**
   * @param unit the nexus
   * @param key this side's, over all of its nexuses; 0 for none
   * @param persistent registrations are to outlast a loss of power
   */
  Registration(Reservations unit, AtomicLong key, boolean persistent) {
    this.unit = unit;
    this.key = key;
    this.persistent = persistent;
  }

  Reservations unit() {
    return unit;
  }

  long key() {
    return key.get();
  }

  /** Registers, whatever key this nexus had. */
  void make(long with) throws IOException {
    // First, so that a new connection knows what to restore if the answer is lost.
    key.set(with);
    if (!unit.change(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, with, persistent)) {
      throw new IOException("disk %s refuses a registration".formatted(unit.name()));
    }
  }

  /** Gives this nexus's registration another key; false when it does not have the one named. */
  boolean change(long from, long to) throws IOException {
    boolean done = unit.change(Out.REGISTER, from, to, persistent);
    if (done) {
      key.set(to);
    }
    return done;
  }

  /** Whether this nexus is registered with the key; shows that this side lives. */
  boolean repeat(long with) throws IOException {
    key.set(with);
    return unit.change(Out.REGISTER, with, with, persistent);
  }

  /**
   * Registers a backup that has not won. A claim that came to nothing may have left a former nexus
   * of it registered as one that claims, for which the primary would wait.
   */
  void makeUndecided(Claimant self) throws IOException {
    long undecided = ScsiKey.undecided(self);
    long claiming = ScsiKey.claiming(self);
    make(undecided);
    if (unit.keys().keys().contains(claiming)) {
      unit.change(Out.PREEMPT, undecided, claiming, false);
    }
  }

  /** At the end of a VM nothing of it is left at a disk that this nexus has. */
  void removeOthersOf(Claimant self) throws IOException {
    long own = key.get();
    if (own != 0 && unit.holds(own)) {
      for (long other : unit.keys().keys()) {
        if (other != own && ScsiKey.isOfVm(other, self)) {
          unit.change(Out.PREEMPT, own, other, false);
        }
      }
    }
  }

  void end() throws IOException {
    long last = key.getAndSet(0);
    if (last != 0) {
      unit.change(Out.REGISTER, last, 0, persistent);
    }
  }
}
