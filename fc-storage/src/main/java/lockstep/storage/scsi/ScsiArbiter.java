package lockstep.storage.scsi;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import lockstep.replay.ft.Arbiter;
import lockstep.replay.ft.Claimant;
import lockstep.storage.scsi.PersistentReserve.Out;
import org.jspecify.annotations.Nullable;

/**
 * The test-and-set of a disk with SCSI-3 persistent reservations. It decides, and the disk itself
 * refuses the loser's writes.
 *
 * <p>What decides is the key that holds the reservation (Write Exclusive; see {@link ScsiKey}). A
 * pair begins with its primary's key there. The primary wins by giving its own registration another
 * key, the backup by preempting the primary's key: the unit carries out one command after the
 * other, each of the two succeeds only while the primary's first key is there, and the first one
 * takes it away. No answer is trusted for the verdict: it is read from the reservation afterwards,
 * so that an answer that got lost changes nothing.
 *
 * <p>One thread at a time; the thread {@code scsi-alive} only repeats the registration.
 */
public final class ScsiArbiter implements Arbiter {
  /** How often a VM shows that it is alive, by registering again. */
  private static final long BEAT_MILLIS = 1_000;

  /** Without such a sign for so long the VM that has the disk is dead, or cut off from it. */
  private static final long DEAD_MILLIS = 4 * BEAT_MILLIS;

  private static final long LOOK_MILLIS = 250;

  private final Reservations unit;
  private final int timeoutMillis;
  private final PersistentReserve.Type type;
  private boolean persistent;
  private boolean asked;
  private boolean settled;

  /** The key with which this nexus is registered; 0 for none. */
  private volatile long mine;

  private @Nullable Thread beats;
  private volatile boolean closed;

  /**
   * An arbiter; nothing is sent yet.
   *
   * @param unit the nexus that also writes
   * @param type Write Exclusive, or with registrants only where a host has several paths
   * @param timeoutMillis for each command
   */
  public ScsiArbiter(ScsiTransport unit, PersistentReserve.Type type, int timeoutMillis) {
    this.unit = new Reservations(unit, type, timeoutMillis);
    this.type = type;
    this.timeoutMillis = timeoutMillis;
  }

  @Override
  public synchronized void enter(Claimant self) throws IOException {
    ask();
    switch (self.side()) {
      case PRIMARY -> enterPrimary(self);
      case BACKUP -> enterBackup(self);
    }
    settled = false;
    beat();
  }

  private void ask() throws IOException {
    if (!asked) {
      persistent =
          unit.capabilities().map(PersistentReserve.Capabilities::persistent).orElse(false);
      asked = true;
    }
  }

  /**
   * Whether the target keeps registrations through a loss of power (APTPL).
   *
   * @throws IOException when it does not answer; one line
   */
  public synchronized boolean persistent() throws IOException {
    ask();
    return persistent;
  }

  private void enterPrimary(Claimant self) throws IOException {
    long want = ScsiKey.of(self, ScsiKey.Mark.PRIMARY).number();
    Optional<PersistentReserve.Reservation> now = unit.reservation();
    if (now.isEmpty()) {
      register(want);
      unit.change(Out.RESERVE, want, 0, false);
    } else {
      ScsiKey holder = ours(now.get());
      if (holder.vm() != ScsiKey.of(self, ScsiKey.Mark.PRIMARY).vm()) {
        takeOver(now.get().key(), want);
      } else if (holder.epoch() > self.epoch()) {
        throw new IOException(
            "disk %s has a later pair of this VM, epoch %d".formatted(unit.name(), holder.epoch()));
      } else if (now.get().key() != mine || !unit.change(Out.REGISTER, mine, want, persistent)) {
        throw new IOException(
            "disk %s belongs to this VM on another host: %s".formatted(unit.name(), holder.text()));
      } else {
        mine = want;
      }
    }
    if (!held(want)) {
      unregister();
      throw new IOException("disk %s was taken by another VM".formatted(unit.name()));
    }
  }

  private ScsiKey ours(PersistentReserve.Reservation reservation) throws IOException {
    return ScsiKey.read(reservation.key())
        .orElseThrow(
            () ->
                new IOException(
                    "disk %s is reserved by other software, key 0x%016x: release it there first"
                        .formatted(unit.name(), reservation.key())));
  }

  /** Takes the disk of a VM that does not show that it lives. */
  private void takeOver(long holder, long want) throws IOException {
    long generation = unit.keys().generation();
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(DEAD_MILLIS);
    while (System.nanoTime() < until) {
      pause();
      if (unit.keys().generation() != generation) {
        throw new IOException(
            "disk %s is in use by another VM (%s); stop that one first"
                .formatted(unit.name(), ScsiKey.read(holder).map(ScsiKey::text).orElse("?")));
      }
    }
    register(want);
    // Of two that do this, one finds the dead key gone.
    unit.change(Out.PREEMPT, want, holder, false);
    unit.resetUnit(timeoutMillis);
  }

  private static void pause() throws IOException {
    try {
      Thread.sleep(LOOK_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("told to end");
    }
  }

  private void enterBackup(Claimant self) throws IOException {
    long want = ScsiKey.of(self, ScsiKey.Mark.BACKUP).number();
    long primary = ScsiKey.of(self, ScsiKey.Mark.PRIMARY).number();
    long holder = unit.reservation().map(PersistentReserve.Reservation::key).orElse(0L);
    if (holder != primary && !(holder == want && mine == want)) {
      throw new IOException(
          "disk %s is not that of this VM: give both hosts the same one".formatted(unit.name()));
    }
    if (holder == primary) {
      register(want);
    }
  }

  private void register(long key) throws IOException {
    // First, so that a new connection knows what to restore if the answer is lost.
    mine = key;
    if (!unit.change(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, key, persistent)) {
      throw new IOException("disk %s refuses a registration".formatted(unit.name()));
    }
  }

  private void unregister() throws IOException {
    long key = mine;
    mine = 0;
    if (key != 0) {
      unit.change(Out.REGISTER, key, 0, persistent);
    }
  }

  private boolean held(long key) throws IOException {
    return unit.reservation().map(now -> now.key() == key).orElse(false);
  }

  @Override
  public synchronized Ruling claim(Claimant self) {
    try {
      ask();
      Ruling ruling = judge(self);
      if (ruling.verdict() == Verdict.UNKNOWN && held(open(self))) {
        attempt(self);
        ruling = judge(self);
      }
      return switch (ruling.verdict()) {
        case WON -> settle(self, ruling);
        case LOST -> {
          // A registration that lost is of no use; where it cannot be given back it does no harm.
          unregister();
          yield ruling;
        }
        case UNKNOWN -> ruling;
      };
    } catch (IOException e) {
      return new Ruling(Verdict.UNKNOWN, String.valueOf(e.getMessage()));
    }
  }

  private static long open(Claimant self) {
    return ScsiKey.of(self, ScsiKey.Mark.PRIMARY).number();
  }

  private static long winning(Claimant self) {
    ScsiKey.Mark mark =
        switch (self.side()) {
          case PRIMARY -> ScsiKey.Mark.PRIMARY_WON;
          case BACKUP -> ScsiKey.Mark.BACKUP;
        };
    return ScsiKey.of(self, mark).number();
  }

  private Ruling judge(Claimant self) throws IOException {
    Optional<PersistentReserve.Reservation> now = unit.reservation();
    if (now.isEmpty()) {
      return new Ruling(
          Verdict.UNKNOWN,
          "disk %s has no reservation: the target has forgotten it, or the VM gave it up"
              .formatted(unit.name()));
    }
    long holder = now.get().key();
    if (holder == winning(self)) {
      return new Ruling(Verdict.WON, "disk %s, epoch %d".formatted(unit.name(), self.epoch()));
    }
    if (holder == open(self)) {
      return new Ruling(Verdict.UNKNOWN, "disk %s is not claimed yet".formatted(unit.name()));
    }
    return new Ruling(
        Verdict.LOST,
        "disk %s has gone to %s"
            .formatted(
                unit.name(), ScsiKey.read(holder).map(ScsiKey::text).orElse("other software")));
  }

  private void attempt(Claimant self) throws IOException {
    long open = open(self);
    long win = winning(self);
    if (self.side() == Claimant.Side.PRIMARY && mine == open) {
      if (unit.change(Out.REGISTER, open, win, persistent)) {
        mine = win;
      }
      return;
    }
    // The backup, or a claim by hand for a primary elsewhere.
    register(win);
    unit.change(Out.PREEMPT, win, open, false);
  }

  /** After a preemption nothing of the loser may still be on its way to the medium. */
  private Ruling settle(Claimant self, Ruling won) throws IOException {
    // With another key here, another process of this side has won, and holds the disk itself.
    if (settled || mine != winning(self)) {
      return won;
    }
    if (self.side() == Claimant.Side.BACKUP) {
      unit.resetUnit(timeoutMillis);
    }
    if (!held(mine) || !unit.change(Out.REGISTER, mine, mine, persistent)) {
      return new Ruling(Verdict.UNKNOWN, "disk %s: won, and not confirmed".formatted(unit.name()));
    }
    settled = true;
    beat();
    return won;
  }

  /**
   * Makes a new connection of the same initiator what the former was. A target may count it as
   * another nexus (tgtd does), which has to register again and take the reservation over from
   * itself.
   *
   * @param nexus the connection, used by nobody else yet; called on its thread
   * @return false when another host has the disk now
   * @throws IOException when that cannot be told; try with another connection
   */
  public boolean restore(ScsiTransport nexus) throws IOException {
    long key = mine;
    if (key == 0) {
      return true;
    }
    Reservations fresh = new Reservations(nexus, type, timeoutMillis);
    if (fresh.change(Out.REGISTER, key, key, persistent)) {
      return true;
    }
    Optional<PersistentReserve.Reservation> now = fresh.reservation();
    boolean backup =
        ScsiKey.read(key).map(mark -> mark.mark() == ScsiKey.Mark.BACKUP).orElse(false);
    if (now.isPresent() && now.get().key() != key && !(backup && opens(now.get().key(), key))) {
      return false;
    }
    fresh.change(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, key, persistent);
    if (now.isPresent() && now.get().key() == key) {
      fresh.change(Out.PREEMPT, key, key, false);
    } else if (now.isEmpty() && !backup) {
      // Nobody is there: the target was started anew and keeps nothing. Of two, one gets it.
      fresh.change(Out.RESERVE, key, 0, false);
    }
    Optional<PersistentReserve.Reservation> then = fresh.reservation();
    if (backup || (then.isPresent() && then.get().key() == key)) {
      return true;
    }
    fresh.change(Out.REGISTER, key, 0, persistent);
    return false;
  }

  /** Whether the holder is the primary of the backup that has this key. */
  private static boolean opens(long holder, long backup) {
    Optional<ScsiKey> one = ScsiKey.read(holder);
    Optional<ScsiKey> other = ScsiKey.read(backup);
    return one.isPresent()
        && other.isPresent()
        && one.get().mark() == ScsiKey.Mark.PRIMARY
        && one.get().vm() == other.get().vm()
        && one.get().epoch() == other.get().epoch();
  }

  @Override
  public synchronized void part(Claimant self) throws IOException {
    unregister();
  }

  @Override
  public synchronized void leave(Claimant self) throws IOException {
    int vm = ScsiKey.of(self, ScsiKey.Mark.PRIMARY).vm();
    long key = mine;
    try {
      if (key != 0 && held(key)) {
        for (long other : unit.keys().keys()) {
          if (other != key && ScsiKey.read(other).map(one -> one.vm() == vm).orElse(false)) {
            unit.change(Out.PREEMPT, key, other, false);
          }
        }
      }
    } finally {
      unregister();
    }
  }

  @Override
  public boolean fences() {
    return true;
  }

  /** What has the disk, for people; empty for a free one. */
  public Optional<String> holderLine() throws IOException {
    return unit.reservation().map(now -> describe(now.key()));
  }

  private static String describe(long key) {
    return ScsiKey.read(key)
        .map(ScsiKey::text)
        .orElse("other software, key 0x%016x".formatted(key));
  }

  /** Who is registered, for people; equal ones once. */
  public List<String> registered() throws IOException {
    return unit.keys().keys().stream()
        .distinct()
        .map(
            key ->
                ScsiKey.read(key)
                    .map(ScsiKey::registrant)
                    .orElse("other software, key 0x%016x".formatted(key)))
        .toList();
  }

  private void beat() {
    if (beats == null) {
      beats = Thread.ofPlatform().daemon().name("scsi-alive").start(this::beats);
    }
  }

  private void beats() {
    try {
      while (!closed) {
        Thread.sleep(BEAT_MILLIS);
        long key = mine;
        if (key != 0) {
          try {
            unit.change(Out.REGISTER, key, key, persistent);
          } catch (IOException e) {
            // The next one, or the next write, will tell.
          }
        }
      }
    } catch (InterruptedException e) {
      // Closed.
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    if (beats != null) {
      beats.interrupt();
    }
  }
}
