package lockstep.storage;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.storage.FileLease.Standing;
import lockstep.storage.lease.LeaseBeat;
import lockstep.storage.lease.LeaseChain;
import lockstep.storage.lease.LeaseChain.View;
import lockstep.storage.lease.LeaseClock;
import lockstep.storage.lease.LeaseFiles;
import lockstep.storage.lease.LeaseState;
import lockstep.storage.lease.LeaseState.Mark;
import org.jspecify.annotations.Nullable;

/**
 * One side's heartbeats, and what it may do by what it saw after them.
 *
 * <p>Any thread; heartbeats come on that of {@link LeaseClock#repeat}.
 */
final class LeaseHold {
  /** What this process entered as. */
  record Entry(LeaseState state, Side side, String token) {
    boolean isOf(Claimant claimant) {
      return state.isOf(claimant) && side == claimant.side();
    }

    String beat() {
      return LeaseBeat.name(state.vm(), side);
    }

    /** Whether this side has the disk when its epoch has come to this. */
    boolean isHolder(Mark mark) {
      return mark == Mark.OPEN ? side == Side.PRIMARY : mark == Mark.of(side);
    }
  }

  private final LeaseFiles files;
  private final LeaseChain chain;
  private final LeaseClock clock;
  private final String label;
  private final Lock lock;
  private final List<Consumer<Standing>> watchers = new CopyOnWriteArrayList<>();
  private final List<Consumer<String>> losers = new CopyOnWriteArrayList<>();

  private volatile boolean holder;
  private volatile boolean lost;
  private volatile long confirmedNanos;
  private volatile String lossReason = "";
  private volatile String problem = "";

  // Guarded by the lock, which is held while a heartbeat's file is used.
  private @Nullable Entry entry;

  /** What this process is about to make the state, or has made it though an error said not. */
  private Optional<LeaseState> pending = Optional.empty();

  /** Whether the entry may hold: not before a former VM's last look has run out. */
  private boolean ready;

  /** Whether this side's epoch is decided in its favour, though the lease may not say so yet. */
  private boolean wonElsewhere;

  private @Nullable Runnable beats;
  private long beatNumber;
  private boolean image;

  /**
   * @param label which process this is, for people
   */
  LeaseHold(LeaseFiles files, LeaseChain chain, LeaseClock clock, String label) {
    this.files = files;
    this.chain = chain;
    this.clock = clock;
    this.label = label;
    this.lock = clock.lock();
  }

  Standing standing() {
    if (lost) {
      return Standing.LOST;
    }
    return holder && clock.nanos() - confirmedNanos < FileLease.HOLD_NANOS
        ? Standing.HELD
        : Standing.UNSURE;
  }

  String lossReason() {
    return lossReason;
  }

  String problem() {
    return problem;
  }

  void watch(Consumer<Standing> watcher) {
    watchers.add(watcher);
  }

  void onLoss(Consumer<String> watcher) {
    losers.add(watcher);
  }

  Optional<Entry> entry() {
    lock.lock();
    try {
      return Optional.ofNullable(entry);
    } finally {
      lock.unlock();
    }
  }

  /** Whether the image is there: without it nothing is made in its directory. */
  void expectImage(boolean there) {
    lock.lock();
    try {
      image = there;
    } finally {
      lock.unlock();
    }
  }

  /** Makes the file of heartbeats, while there may be no room for it later. */
  void prepare(Entry next) throws IOException {
    lock.lock();
    try {
      pulse(next);
    } finally {
      lock.unlock();
    }
  }

  /** The state that this process is about to make. */
  void pending(LeaseState next) {
    lock.lock();
    try {
      pending = Optional.of(next);
    } finally {
      lock.unlock();
    }
  }

  /** Whether a state can be this process's own, or it knows nothing. */
  boolean mayBe(LeaseState state) {
    lock.lock();
    try {
      return entry == null || entry.state().equals(state) || pending.equals(Optional.of(state));
    } finally {
      lock.unlock();
    }
  }

  /**
   * Goes by this entry from here on. What an earlier one of the same VM holds it holds on.
   *
   * @return whether there was one
   */
  boolean adopt(Entry next) throws IOException {
    lock.lock();
    try {
      Entry before = entry;
      boolean same = before != null && before.state().vm().equals(next.state().vm());
      entry = next;
      pending = Optional.empty();
      ready &= same;
      holder &= same;
      wonElsewhere = false;
      lost = false;
      lossReason = "";
      if (beats == null) {
        beats = clock.repeat(FileLease.BEAT_NANOS, this::beat);
      }
      if (before != null && !before.beat().equals(next.beat())) {
        files.delete(before.beat());
      }
      files.hold(LifeSigns.LOCK);
      return same;
    } finally {
      lock.unlock();
    }
  }

  /**
   * A look from here on may make this side the holder.
   *
   * @param holds whether one has, which began at {@code confirmed}
   */
  void ready(boolean holds, long confirmed) {
    lock.lock();
    try {
      ready = true;
      if (holds && !lost) {
        confirmedNanos = confirmed;
        holder = true;
      }
    } finally {
      lock.unlock();
    }
    tellWatchers();
  }

  /** See {@link FileLease#won}. */
  void wonElsewhere() {
    lock.lock();
    try {
      wonElsewhere = true;
    } finally {
      lock.unlock();
    }
  }

  /** The disk is another one's, for ever. */
  void lose(String reason) {
    lock.lock();
    try {
      lossReason = reason;
      lost = true;
      holder = false;
    } finally {
      lock.unlock();
    }
    tellWatchers();
  }

  /** Shows no life any more. */
  void end() throws IOException {
    lock.lock();
    try {
      Entry mine = entry;
      entry = null;
      pending = Optional.empty();
      ready = false;
      holder = false;
      if (beats != null) {
        beats.run();
        beats = null;
      }
      try {
        if (mine != null) {
          files.delete(mine.beat());
        }
      } finally {
        files.release();
      }
    } finally {
      lock.unlock();
    }
  }

  private void pulse(Entry mine) throws IOException {
    String text = LeaseBeat.text(++beatNumber, label);
    try {
      files.overwrite(mine.beat(), text);
    } catch (NoSuchFileException e) {
      if (image && !files.hasImage()) {
        throw new IOException(chain.missing(), e);
      }
      // Somebody takes this disk, or has removed the lease's files. To make a file has a network
      // file system forget what it remembers of the directory, so that the look is a fresh one.
      files.create(mine.beat(), text);
    }
  }

  private void beat() {
    boolean gone = false;
    lock.lock();
    try {
      Entry mine = entry;
      if (mine == null || lost) {
        return;
      }
      long started = clock.nanos();
      try {
        pulse(mine);
        problem = "";
        gone = look(mine, chain.read(), started);
      } catch (IOException e) {
        // Not confirmed: the last look runs out by itself.
        problem = String.valueOf(e.getMessage());
      }
    } finally {
      lock.unlock();
    }
    tellWatchers();
    if (gone) {
      losers.forEach(each -> each.accept(lossReason));
    }
  }

  private void tellWatchers() {
    Standing now = standing();
    watchers.forEach(each -> each.accept(now));
  }

  /**
   * What a look after a beat means.
   *
   * @return whether the disk is lost to another VM or a later pair, which nobody else will say
   */
  private boolean look(Entry mine, View view, long started) throws IOException {
    if (!(view instanceof View.At at)) {
      // No word of another owner. Without a gap since the last look there is none: one that finds
      // no lease finds this side's beat.
      problem = view instanceof View.Unclear unclear ? unclear.why() : chain.missing();
      if (standing() == Standing.HELD) {
        confirmedNanos = started;
      }
      return false;
    }
    LeaseState now = at.state();
    boolean sameEpoch = now.vm().equals(mine.state().vm()) && now.epoch() == mine.state().epoch();
    if (!at.token().equals(mine.token()) && !sameEpoch) {
      // Another share, or another lease since this one was removed: nothing says which.
      problem = chain.another(now);
      holder = false;
      return false;
    }
    if (pending.equals(Optional.of(now))) {
      confirmedNanos = started;
      return false;
    }
    if (!sameEpoch || now.sequence() > mine.state().sequence()) {
      loseTo("disk %s has gone to %s".formatted(files.subject(), now.inWords()));
      return true;
    }
    if (wonElsewhere && now.mark() == Mark.OPEN) {
      var unused = chain.move(now, now.with(Mark.of(mine.side())));
    } else if (mine.isHolder(now.mark())) {
      if (!at.anchored()) {
        var unused = chain.anchor(now);
      }
      holder = ready;
      confirmedNanos = started;
    } else if (now.mark() != Mark.OPEN) {
      // The other side has won, or has ended: its own claim tells this side.
      loseTo("disk %s: %s".formatted(files.subject(), now.inWords()));
    }
    return false;
  }

  private void loseTo(String reason) {
    lossReason = reason;
    lost = true;
    holder = false;
  }
}
