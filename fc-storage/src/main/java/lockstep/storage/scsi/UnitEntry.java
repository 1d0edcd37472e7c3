package lockstep.storage.scsi;

import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.PersistentReserve.Out;
import lockstep.storage.scsi.PersistentReserve.Reservation;
import lockstep.sys.Scheduler;

/** Makes one side known to a unit, before its pair is formed. Used once, by one thread. */
final class UnitEntry {
  private static final long LOOK_MILLIS = 250;

  private final Registration here;
  private final Reservations unit;
  private final Claimant self;
  private final boolean persistent;
  private final int resetMillis;
  private final Scheduler time;

  /**
   * @param persistent whether the unit keeps registrations through a restart of its target
   * @param resetMillis for a reset of the unit
   */
  UnitEntry(Registration here, Claimant self, boolean persistent, int resetMillis, Scheduler time) {
    this.here = here;
    this.unit = here.unit();
    this.self = self;
    this.persistent = persistent;
    this.resetMillis = resetMillis;
    this.time = time;
  }

  /** Of a primary. */
  void primary() throws IOException {
    long want = ScsiKey.open(self);
    Optional<Reservation> now = unit.reservation();
    boolean known = here.key() != 0;
    if (now.isEmpty()) {
      if (!known) {
        refuseOneThatLives();
      }
      here.make(want);
      unit.change(Out.RESERVE, want, 0, false);
    } else {
      ScsiKey holder = ours(now.get());
      if (!ScsiKey.isOfVm(now.get().key(), self)) {
        awaitNoLife(ScsiKey.holder(now.get().key()));
        here.make(want);
        // Of two that do this, one finds the dead key gone.
        unit.change(Out.PREEMPT, want, now.get().key(), false);
        unit.resetUnit(resetMillis);
      } else if (holder.epoch() > self.epoch()) {
        throw new IOException(
            "disk %s has a later pair of this VM, epoch %d".formatted(unit.name(), holder.epoch()));
      } else if (now.get().key() != here.key() || !here.change(here.key(), want)) {
        throw new IOException(
            "disk %s belongs to this VM on another host: %s"
                .formatted(unit.name(), ScsiKey.holder(now.get().key())));
      }
    }
    if (!unit.holds(want)) {
      if (!known) {
        here.end();
      }
      throw new IOException("disk %s was taken by another VM".formatted(unit.name()));
    }
  }

  private ScsiKey ours(Reservation reservation) throws IOException {
    return ScsiKey.read(reservation.key())
        .orElseThrow(
            () ->
                new IOException(
                    "disk %s is reserved by %s: release it there first"
                        .formatted(unit.name(), ScsiKey.holder(reservation.key()))));
  }

  /**
   * A unit without a reservation may have forgotten it: a VM that runs on it would soon be back.
   * One that has no registration, and has had some since it was started, was given back in order.
   */
  private void refuseOneThatLives() throws IOException {
    PersistentReserve.Keys now = unit.keys();
    for (long key : now.keys()) {
      if (ScsiKey.isOfPair(key, self) && !ScsiKey.isUndecided(key)) {
        throw new IOException(
            "disk %s has been decided: %s is registered there"
                .formatted(unit.name(), ScsiKey.registrant(key)));
      }
    }
    Optional<Long> stranger =
        now.keys().stream().filter(key -> !ScsiKey.isOfPair(key, self)).findFirst();
    boolean fresh = now.keys().isEmpty() && !persistent && now.generation() == 0;
    if (stranger.isPresent() || fresh) {
      awaitNoLife(stranger.map(ScsiKey::registrant).orElse("its target has just been started"));
    }
  }

  /**
   * Waits for as long as a VM that lives would show it.
   *
   * @param who may live, for people
   */
  private void awaitNoLife(String who) throws IOException {
    long generation = unit.keys().generation();
    long until = time.nanoTime() + TimeUnit.MILLISECONDS.toNanos(AliveBeats.DEAD_MILLIS);
    while (time.nanoTime() - until < 0) {
      ScsiCalls.pause(time, LOOK_MILLIS);
      if (unit.keys().generation() != generation) {
        throw new IOException(
            "disk %s is in use by another VM (%s); stop that one first"
                .formatted(unit.name(), who));
      }
    }
  }

  /** Of a backup, after its primary. */
  void backup() throws IOException {
    UnitHolder holder = UnitHolder.of(unit.reservation(), self);
    boolean mine = holder == UnitHolder.SELF && here.key() == ScsiKey.winning(self);
    if (holder != UnitHolder.OPEN && !mine) {
      throw new IOException(
          "disk %s is not that of this VM: give both hosts the same one".formatted(unit.name()));
    }
    if (!mine) {
      here.make(ScsiKey.undecided(self));
    }
  }
}
