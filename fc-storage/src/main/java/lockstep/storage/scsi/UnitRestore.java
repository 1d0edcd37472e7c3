package lockstep.storage.scsi;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.PersistentReserve.Out;
import lockstep.storage.scsi.PersistentReserve.Reservation;

/**
 * Puts back what a unit knew of one side: over a new connection, which a target may count as
 * another nexus (tgtd does), or after the unit has forgotten it. What it may do depends on what
 * this side knows by itself.
 *
 * <p>Used once, by one thread.
 */
final class UnitRestore {
  /** Something changes hands between two looks this often at most; then another try is made. */
  private static final int ROUNDS = 8;

  private final Reservations unit;
  private final Registration here;
  private final Claimant self;
  private final BooleanSupplier undecided;
  private final int resetMillis;

  /**
   * @param here the nexus that writes from now on
   * @param undecided asked before the unit is told that this side has not won: from there on a
   *     claim that is under way must come to nothing. False when it has won
   * @param resetMillis for a reset of the unit
   */
  UnitRestore(Registration here, Claimant self, BooleanSupplier undecided, int resetMillis) {
    this.unit = here.unit();
    this.here = here;
    this.self = self;
    this.undecided = undecided;
    this.resetMillis = resetMillis;
  }

  /**
   * Of a side whose disk it is beyond doubt: it has won, or it is a primary that no backup may
   * claim the disk from. What stands in its way, and is no later VM's, is cleared away.
   *
   * @param key with which it holds the reservation
   * @param beyondDoubt asked again after each look at the unit: a backup that claims was allowed to
   *     before, so what a primary read before it allowed that says nothing of what it reads now
   * @return WAITS when the disk is not beyond doubt this side's any more: it is a contender
   */
  Standing owner(long key, BooleanSupplier beyondDoubt) throws IOException {
    for (int i = 0; i < ROUNDS; i++) {
      Optional<Reservation> now = unit.reservation();
      if (!beyondDoubt.getAsBoolean()) {
        return Standing.WAITS;
      }
      if (now.isPresent() && now.get().key() == key) {
        if (takeBack(key)) {
          removeRest(key);
          return Standing.HOLDS;
        }
        continue;
      }
      switch (UnitHolder.of(now, self)) {
        case NONE -> {
          here.make(key);
          unit.change(Out.RESERVE, key, 0, false);
        }
        // A later pair can only be this side's own, which it could not finish to begin.
        case EARLIER_PAIR, LATER_PAIR, OPEN, SELF, PEER_CLAIMS ->
            preempt(key, now.orElseThrow().key());
        case PEER_WON, OTHER -> {
          return Standing.LOST;
        }
      }
    }
    throw restless();
  }

  private void preempt(long key, long victim) throws IOException {
    here.make(key);
    unit.change(Out.PREEMPT, key, victim, false);
    unit.resetUnit(resetMillis);
  }

  /** Of a backup that has not won: it is known, and holds nothing. */
  Standing follower() throws IOException {
    Optional<Reservation> now = unit.reservation();
    return switch (UnitHolder.of(now, self)) {
      case NONE, EARLIER_PAIR, OPEN, PEER_CLAIMS -> {
        confirmUndecided();
        here.makeUndecided(self);
        yield Standing.FOLLOWS;
      }
      case SELF -> {
        // A claim took effect and its answer was lost: the next claim settles it.
        takeOver(now.orElseThrow().key());
        yield Standing.FOLLOWS;
      }
      case PEER_WON, LATER_PAIR, OTHER -> Standing.LOST;
    };
  }

  /**
   * Of a primary that has not won, and whose backup may have. On a unit that has forgotten all it
   * takes the reservation only when its backup is known not to have won: because it is registered
   * as undecided, which it is before its claim only, or because it followed since. A backup wins
   * nothing while there is no reservation, so what was true at any time since is still true.
   */
  Standing contender(Vacancy vacancy) throws IOException {
    long open = ScsiKey.open(self);
    for (int i = 0; i < ROUNDS; i++) {
      Optional<Reservation> now = unit.reservation();
      switch (UnitHolder.of(now, self)) {
        case OPEN, SELF -> {
          vacancy.ends();
          if (takeBack(now.orElseThrow().key())) {
            return Standing.HOLDS;
          }
        }
        case NONE, EARLIER_PAIR -> {
          boolean followed = vacancy.followedSince();
          confirmUndecided();
          here.make(open);
          if (!backupHasNotWon(followed)) {
            return Standing.WAITS;
          }
          // Even if its answer is lost: from here on a backup can win.
          vacancy.ends();
          if (now.isEmpty()) {
            unit.change(Out.RESERVE, open, 0, false);
          } else {
            unit.change(Out.PREEMPT, open, now.get().key(), false);
          }
          if (!backupHasNotWon(followed)) {
            // It may have won meanwhile, and that was forgotten, too.
            unit.change(Out.RELEASE, open, 0, false);
            return Standing.WAITS;
          }
        }
        case PEER_CLAIMS -> {
          vacancy.ends();
          return Standing.WAITS;
        }
        case PEER_WON, LATER_PAIR, OTHER -> {
          return Standing.LOST;
        }
      }
    }
    throw restless();
  }

  /** Whether that is certain; the backup's registration says it, which it changes to claim. */
  private boolean backupHasNotWon(boolean followed) throws IOException {
    List<Long> keys = unit.keys().keys();
    Claimant backup = self.peer();
    return (followed || keys.contains(ScsiKey.undecided(backup)))
        && !keys.contains(ScsiKey.claiming(backup))
        && !keys.contains(ScsiKey.winning(backup));
  }

  /**
   * Makes this nexus the holder, where one of this side's nexuses is.
   *
   * @param key the holder's
   * @return false when things have changed meanwhile
   */
  private boolean takeBack(long key) throws IOException {
    takeOver(key);
    return unit.holds(key);
  }

  private void takeOver(long key) throws IOException {
    if (!here.repeat(key)) {
      here.make(key);
      unit.change(Out.PREEMPT, key, key, false);
    }
  }

  /** Of the pair's keys no other may be used any more: who has one must come and ask. */
  private void removeRest(long key) throws IOException {
    if (key == ScsiKey.winning(self)) {
      unit.removeRest(self, key);
    }
  }

  private void confirmUndecided() throws IOException {
    if (!undecided.getAsBoolean()) {
      throw new IOException("disk %s has just been won".formatted(unit.name()));
    }
  }

  private IOException restless() {
    return new IOException("disk %s changes its owner again and again".formatted(unit.name()));
  }
}
