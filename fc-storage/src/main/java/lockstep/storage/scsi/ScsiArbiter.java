package lockstep.storage.scsi;

import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Lock;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.PersistentReserve.Out;
import lockstep.storage.scsi.PersistentReserve.Reservation;
import lockstep.sys.Scheduler;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/**
 * The test-and-set of a disk with SCSI-3 persistent reservations. It decides, and the disk itself
 * refuses the loser's writes.
 *
 * <p>What decides is the key that holds the reservation (Write Exclusive; see {@link ScsiKey}). A
 * pair begins with its primary's open key there. The primary wins by giving its own registration
 * its winning key, the backup by preempting the open key under its winning key: the unit carries
 * out one command after the other, each of the two succeeds only while the open key is there, and
 * the first one takes it away. No answer is trusted for the verdict: it is read from the
 * reservation afterwards, so that an answer that got lost changes nothing.
 *
 * <p>A unit may forget all of this (docs/adr/0007-scsi-verdict.md). So each side remembers what it
 * has won ({@link Stake}), and puts back what that allows ({@link UnitRestore}).
 *
 * <p>Claims and the like come from one thread at a time; {@code scsi-alive} repeats the
 * registration; {@link #restore} runs on the thread of a session.
 */
public final class ScsiArbiter implements Arbiter {
  private static final Logger LOG = LogManager.getLogger(ScsiArbiter.class);

  private final ScsiTransport way;
  private final Reservations unit;
  private final int timeoutMillis;
  private final PersistentReserve.Type type;
  private final Scheduler time;
  private final Lock lock;
  private final AtomicReference<Stake> stake = new AtomicReference<>(new Stake.Outside());
  private volatile boolean persistent;
  private boolean asked;

  /** The key with which this side is registered; 0 for none. */
  private final AtomicLong key = new AtomicLong();

  private final Vacancy vacancy;
  private volatile Standing standing = Standing.FOLLOWS;
  private volatile Runnable onDoubt = this::restoreHere;
  private final List<Runnable> watchers = new CopyOnWriteArrayList<>();
  private final AliveBeats beats;

  /**
   * An arbiter; nothing is sent yet.
   *
   * @param unit the nexus that also writes
   * @param type Write Exclusive, or with registrants only where a host has several paths
   * @param timeoutMillis for each command
   */
  public ScsiArbiter(ScsiTransport unit, PersistentReserve.Type type, int timeoutMillis) {
    this(unit, type, timeoutMillis, Scheduler.HOST);
  }

  /**
   * The same in another time.
   *
   * @param time whose steady clock is that of {@link #followed}
   */
  public ScsiArbiter(
      ScsiTransport unit, PersistentReserve.Type type, int timeoutMillis, Scheduler time) {
    this.way = unit;
    this.unit = new Reservations(unit, type, timeoutMillis, time);
    this.type = type;
    this.timeoutMillis = timeoutMillis;
    this.time = time;
    this.lock = time.lock();
    this.vacancy = new Vacancy(time);
    this.beats = new AliveBeats(time, this::beat);
  }

  /**
   * What to do when the unit does not have this side's registration or reservation any more: see to
   * it that {@link #restore} is asked, before anything more is written. Without this it is asked
   * over the unit as it is.
   */
  public void onDoubt(Runnable look) {
    onDoubt = look;
  }

  /** Has somebody told when {@link #standing} has changed; on any thread, returns at once. */
  public void onStanding(Runnable told) {
    watchers.add(told);
  }

  private void stands(Standing now) {
    boolean changed = standing != now;
    standing = now;
    if (changed) {
      watchers.forEach(Runnable::run);
    }
  }

  /** What is done by one thread at a time. */
  private interface Step<T> {
    T take() throws IOException;
  }

  private <T> T alone(Step<T> step) throws IOException {
    lock.lock();
    try {
      return step.take();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void enter(Claimant self) throws IOException {
    try {
      alone(() -> entered(self));
    } catch (IOException e) {
      if (key.get() != 0) {
        // It may have taken effect: what this side had before is to be put back.
        onDoubt.run();
      }
      throw e;
    }
  }

  private boolean entered(Claimant self) throws IOException {
    ask();
    UnitEntry entry = new UnitEntry(here(), self, persistent, timeoutMillis, time);
    switch (self.side()) {
      case PRIMARY -> {
        entry.primary();
        vacancy.contested(false);
        stands(Standing.HOLDS);
      }
      case BACKUP -> {
        entry.backup();
        stands(Standing.FOLLOWS);
      }
    }
    vacancy.ends();
    stake.set(new Stake.Open(self, 0));
    beats.start();
    return true;
  }

  private Registration here() {
    return new Registration(unit, key, persistent);
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
  public boolean persistent() throws IOException {
    return alone(
        () -> {
          ask();
          return persistent;
        });
  }

  @Override
  public Ruling claim(Claimant self) {
    try {
      return alone(() -> ruling(self));
    } catch (IOException e) {
      return new Ruling(Verdict.UNKNOWN, String.valueOf(e.getMessage()));
    }
  }

  private Stake stake() {
    return Objects.requireNonNull(stake.get());
  }

  private Ruling ruling(Claimant self) throws IOException {
    Stake before = stake();
    if (before instanceof Stake.Lost lost && lost.self().equals(self)) {
      return new Ruling(Verdict.LOST, lost.why());
    }
    ask();
    Optional<Reservation> now = unit.reservation();
    if (UnitHolder.of(now, self) == UnitHolder.OPEN) {
      attempt(self, before);
      now = unit.reservation();
    }
    return rule(self, before, now);
  }

  private static boolean isOpen(Stake before, Claimant self) {
    return before instanceof Stake.Open open && open.self().equals(self);
  }

  private void attempt(Claimant self, Stake before) throws IOException {
    long open = ScsiKey.open(self);
    long claiming = ScsiKey.claiming(self);
    if (self.side() == Claimant.Side.PRIMARY && isOpen(before, self)) {
      boolean unused = here().change(open, claiming);
      return;
    }
    // The backup, or a claim by hand for a primary elsewhere. Its key changes first: from there on
    // nobody may take it for one that has not won.
    here().make(claiming);
    unit.change(Out.PREEMPT, claiming, open, false);
  }

  private Ruling rule(Claimant self, Stake before, Optional<Reservation> now) throws IOException {
    boolean won = before instanceof Stake.Won mine && mine.self().equals(self);
    UnitHolder holder = UnitHolder.of(now, self);
    return switch (holder) {
      case NONE, EARLIER_PAIR, OPEN, PEER_CLAIMS -> won ? won(self) : unknown(self, before, holder);
      case SELF ->
          won
              ? published(self, now.orElseThrow().key())
              : settle(self, before, now.orElseThrow().key());
      case PEER_WON, LATER_PAIR, OTHER -> lost(self, now.orElseThrow().key());
    };
  }

  private Ruling won(Claimant self) {
    return new Ruling(Verdict.WON, "disk %s, epoch %d".formatted(unit.name(), self.epoch()));
  }

  private Ruling unknown(Claimant self, Stake before, UnitHolder holder) throws IOException {
    boolean claims = key.get() == ScsiKey.claiming(self);
    if (claims && self.side() == Claimant.Side.BACKUP) {
      // One whose claim came to nothing is to be seen as one that has not won.
      if (isOpen(before, self)) {
        here().makeUndecided(self);
      } else {
        here().end();
      }
    }
    String how =
        switch (holder) {
          case OPEN -> "is not claimed yet";
          case PEER_CLAIMS -> "is being claimed by the other side";
          case EARLIER_PAIR -> "is held by an earlier pair of this VM";
          case NONE, SELF, PEER_WON, LATER_PAIR, OTHER ->
              "has no reservation: the target has forgotten it, or the VM gave it up";
        };
    return new Ruling(Verdict.UNKNOWN, "disk %s %s".formatted(unit.name(), how));
  }

  private Ruling lost(Claimant self, long to) throws IOException {
    String why = "disk %s has gone to %s".formatted(unit.name(), ScsiKey.holder(to));
    lose(stake(), self, why);
    // A registration that lost is of no use; where it cannot be given back it does no harm.
    here().end();
    return new Ruling(Verdict.LOST, why);
  }

  /**
   * Makes sure that nothing of the other side can come any more, remembers the verdict, and only
   * then tells it: who reads on the unit that this side has won will never run again.
   */
  private Ruling settle(Claimant self, Stake before, long holder) throws IOException {
    if (!isOpen(before, self)) {
      // By hand: the side itself, if it lives, finds that it has won.
      return published(self, holder);
    }
    long held = holder;
    if (held == ScsiKey.undecided(self) || !here().repeat(held)) {
      // Held by a former connection of this side, or by a claim by hand in its name.
      here().make(ScsiKey.claiming(self));
      unit.change(Out.PREEMPT, ScsiKey.claiming(self), held, false);
      held = ScsiKey.claiming(self);
    }
    if (self.side() == Claimant.Side.BACKUP) {
      // After a preemption nothing of the loser may still be on its way to the medium.
      unit.resetUnit(timeoutMillis);
      unit.removeRest(self, held);
    }
    if (!unit.holds(held)
        || !here().repeat(held)
        || !stake.compareAndSet(before, new Stake.Won(self))) {
      return new Ruling(
          Verdict.UNKNOWN,
          "disk %s: the claim is won, but not confirmed yet".formatted(unit.name()));
    }
    stands(Standing.HOLDS);
    return published(self, held);
  }

  /** Lets the other side read that it has lost. */
  private Ruling published(Claimant self, long held) throws IOException {
    if (held != ScsiKey.winning(self) && key.get() == held) {
      boolean unused = here().change(held, ScsiKey.winning(self));
    }
    return won(self);
  }

  @Override
  public void contested(boolean now) {
    vacancy.contested(now);
  }

  @Override
  public void followed(long nanos) {
    vacancy.followed(nanos);
  }

  /**
   * Makes a new connection of the same initiator what the former was, as far as this side may; also
   * asked again over the same connection. Nothing else is sent meanwhile.
   *
   * @param nexus the connection; called on its thread
   * @return what may be sent there from now on
   * @throws IOException when that cannot be told; try again, with another connection
   */
  public Standing restore(ScsiTransport nexus) throws IOException {
    Stake now = stake();
    Reservations fresh = new Reservations(nexus, type, timeoutMillis, time);
    Standing found =
        switch (now) {
          case Stake.Outside _ -> fresh.reservation().isEmpty() ? Standing.HOLDS : Standing.FOLLOWS;
          case Stake.Left _, Stake.Lost _ -> Standing.LOST;
          case Stake.Won won -> {
            UnitRestore all = restoreOf(fresh, won.self());
            yield all.owner(ScsiKey.winning(won.self()), () -> true);
          }
          case Stake.Open open -> undecided(fresh, open.self());
        };
    if (found == Standing.LOST) {
      key.set(0);
      String to = fresh.reservation().map(one -> ScsiKey.holder(one.key())).orElse("another host");
      lose(now, "disk %s has gone to %s".formatted(unit.name(), to));
    }
    if (found != standing) {
      tell(found);
    }
    stands(found);
    return found;
  }

  /** Whether this side has not won; from here on a claim that is under way does not win either. */
  private boolean isStillUndecided() {
    return stake.updateAndGet(Stake::looked) instanceof Stake.Open;
  }

  private UnitRestore restoreOf(Reservations fresh, Claimant self) {
    Registration there = new Registration(fresh, key, persistent);
    return new UnitRestore(there, self, this::isStillUndecided, timeoutMillis);
  }

  private Standing undecided(Reservations fresh, Claimant self) throws IOException {
    UnitRestore all = restoreOf(fresh, self);
    return switch (self.side()) {
      case BACKUP -> all.follower();
      case PRIMARY -> {
        Standing found = Standing.WAITS;
        if (!vacancy.isContested()) {
          found = all.owner(ScsiKey.open(self), () -> !vacancy.isContested());
        }
        yield found == Standing.WAITS ? all.contender(vacancy) : found;
      }
    };
  }

  private void lose(Stake now, String why) {
    switch (now) {
      case Stake.Open open -> lose(now, open.self(), why);
      case Stake.Won won -> lose(now, won.self(), why);
      case Stake.Outside _, Stake.Lost _, Stake.Left _ -> {
        // Nothing to lose.
      }
    }
  }

  private void lose(Stake now, Claimant self, String why) {
    boolean mine =
        switch (now) {
          case Stake.Open open -> open.self().equals(self);
          case Stake.Won won -> won.self().equals(self);
          case Stake.Outside _, Stake.Lost _, Stake.Left _ -> false;
        };
    if (mine && stake.compareAndSet(now, new Stake.Lost(self, why))) {
      stands(Standing.LOST);
    }
  }

  private void tell(Standing found) {
    if (found == Standing.WAITS) {
      LOG.warn(
          "disk {} has forgotten its reservations; its requests wait until the backup shows that it"
              + " has not won (lockstep disk info says who is there)",
          unit.name());
    } else if (found == Standing.HOLDS && standing == Standing.WAITS) {
      LOG.warn("disk {} is reserved again; its requests continue", unit.name());
    }
  }

  @Override
  public void part(Claimant self) throws IOException {
    alone(
        () -> {
          stake.set(new Stake.Left());
          here().end();
          return true;
        });
  }

  @Override
  public void leave(Claimant self) throws IOException {
    alone(
        () -> {
          stake.set(new Stake.Left());
          try {
            here().removeOthersOf(self);
          } finally {
            here().end();
          }
          return true;
        });
  }

  /** The unit itself refuses the writes of a side that has lost. */
  @Override
  public boolean holds() {
    return true;
  }

  @Override
  public boolean fences() {
    return true;
  }

  /** What this host may do with the disk, as far as is known. */
  public Standing standing() {
    return standing;
  }

  /** Who has the disk that this side has lost: one line; empty when it has not. */
  public Optional<String> lossReason() {
    return stake() instanceof Stake.Lost lost ? Optional.of(lost.why()) : Optional.empty();
  }

  /** What has the disk, for people; empty for a free one. */
  public Optional<String> holderLine() throws IOException {
    return unit.reservation().map(now -> ScsiKey.holder(now.key()));
  }

  /** Who is registered, for people; equal ones once. */
  public List<String> registered() throws IOException {
    return unit.keys().keys().stream().distinct().map(ScsiKey::registrant).toList();
  }

  /** Shows that this side lives, and looks whether the unit still knows it. */
  private void beat() {
    try {
      boolean doubtful = alone(this::isDoubtful);
      if (doubtful) {
        onDoubt.run();
      }
    } catch (IOException e) {
      // The next one, or the next write, will tell.
    }
  }

  private boolean isDoubtful() throws IOException {
    long now = key.get();
    return now != 0
        && (!here().repeat(now)
            || standing == Standing.WAITS
            || (standing == Standing.HOLDS && !unit.holds(now)));
  }

  private void restoreHere() {
    try {
      Standing before = standing;
      Standing now = alone(() -> restore(way));
      if (before == Standing.HOLDS && now == Standing.HOLDS) {
        LOG.warn("disk {} had forgotten its reservation; it is put back", unit.name());
      }
    } catch (IOException e) {
      LOG.warn("disk {} does not know this host any more: {}", unit.name(), e.getMessage());
    }
  }

  @Override
  public void close() {
    beats.close();
  }
}
