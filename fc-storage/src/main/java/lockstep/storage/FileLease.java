package lockstep.storage;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.storage.LeaseHold.Entry;
import lockstep.storage.lease.DirectoryFiles;
import lockstep.storage.lease.LeaseBeat;
import lockstep.storage.lease.LeaseChain;
import lockstep.storage.lease.LeaseChain.View;
import lockstep.storage.lease.LeaseClock;
import lockstep.storage.lease.LeaseFiles;
import lockstep.storage.lease.LeaseState;
import lockstep.storage.lease.LeaseState.Mark;
import org.jspecify.annotations.Nullable;

/**
 * The test-and-set of a disk that is a file, and the lease of whoever has it. It decides, and does
 * not fence: a file system takes writes from every process that has the file open. Whoever asks
 * {@link #standing} before each write comes as near to that as can be.
 *
 * <p>{@link LeaseChain} tells how the state changes. A side that lives shows it by a heartbeat in a
 * file of its own. After each beat it looks at the state, and what it saw then holds for {@link
 * #HOLD_NANOS} and no longer: a process that was stopped has to look again first. Who wants the
 * disk of a VM that seems dead looks for beats for longer than that ({@link #LOOK_NANOS}), takes
 * it, and waits until the former one's last look has run out ({@link #RUN_OUT_NANOS}). A lock,
 * where locks work between hosts, only makes a refusal quick.
 *
 * <p>Any thread; calls of {@link Arbiter} one at a time.
 */
public final class FileLease implements Arbiter, Tenure {
  /** Between two heartbeats. */
  public static final long BEAT_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  /** How long a look at the state holds, from before the beat that preceded it. */
  public static final long HOLD_NANOS = TimeUnit.SECONDS.toNanos(2);

  /** How long a VM without a heartbeat is looked at before its disk is taken: eight beats. */
  public static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(4);

  /** {@link #HOLD_NANOS}, and a second for file systems that remember names for so long. */
  public static final long RUN_OUT_NANOS = HOLD_NANOS + TimeUnit.SECONDS.toNanos(1);

  private static final int TRIES = 4;

  /** Whether this process may write to the disk. */
  public enum Standing {
    /** Yes, as of a look that still holds. */
    HELD,
    /** Not now: the last look is too old, or there is nothing yet to look at. */
    UNSURE,
    /** Never more: another side, or another VM, has the disk. */
    LOST
  }

  private final LeaseFiles files;
  private final LeaseChain chain;
  private final LeaseClock clock;
  private final LeaseHold hold;
  private final Lock lock;
  private final LifeSigns others;
  private final LeaseRuling rulings;

  /** Another VM had the disk, and may think so until its last look has run out. */
  private boolean owed;

  /** The epoch that this side has won last. */
  private @Nullable LeaseState won;

  /** Whether, and when, this side won its disk from a primary. */
  private boolean tookOver;

  private long tookOverNanos;

  /** The lease of an image; nothing is opened yet. */
  public FileLease(Path image) {
    this(new DirectoryFiles(image), LeaseClock.system(), label());
  }

  /**
   * The same through ports.
   *
   * @param label which process this is, for people
   */
  public FileLease(LeaseFiles files, LeaseClock clock, String label) {
    this.files = files;
    this.chain = new LeaseChain(files);
    this.clock = clock;
    this.lock = clock.lock();
    this.hold = new LeaseHold(files, chain, clock, label);
    this.others = new LifeSigns(files, chain, clock);
    this.rulings = new LeaseRuling(chain, files.subject());
  }

  private static String label() {
    long pid = ProcessHandle.current().pid();
    try {
      return "pid %d on %s"
          .formatted(
              pid, java.nio.file.Files.readString(Path.of("/proc/sys/kernel/hostname")).strip());
    } catch (IOException e) {
      return "pid " + pid;
    }
  }

  // What a disk asks.

  /** Whether this process may write now. Cheap. */
  @Override
  public Standing standing() {
    return hold.standing();
  }

  @Override
  public void contested(boolean may) {
    // A file does not forget a verdict.
  }

  @Override
  public void followed(long nanos) {
    // A file does not forget a verdict.
  }

  @Override
  public boolean holds() {
    return standing() == Standing.HELD;
  }

  /** Why it is {@link Standing#LOST}: one line; empty when it is not. */
  @Override
  public String lossReason() {
    return hold.lossReason();
  }

  /** Why the last look came to nothing: one line; empty when it did not. */
  public String problem() {
    return hold.problem();
  }

  /**
   * Has somebody told how things stand, after each heartbeat and when that changes.
   *
   * @param watcher called on the thread of heartbeats, or of a call; returns soon
   */
  @Override
  public void watch(Consumer<Standing> watcher) {
    hold.watch(watcher);
  }

  /**
   * Has somebody told, with the reason, when another VM or a later pair has the disk: nothing else
   * will tell this side. That the other side of its own pair has won, its claim says.
   *
   * @param watcher called on the thread of heartbeats; returns soon
   */
  public void onLoss(Consumer<String> watcher) {
    hold.onLoss(watcher);
  }

  // Entering.

  @Override
  public void enter(Claimant self) throws IOException {
    lock.lock();
    try {
      boolean image = files.hasImage();
      hold.expectImage(image);
      try {
        switch (self.side()) {
          case PRIMARY -> enterPrimary(self);
          case BACKUP -> enterBackup(self);
        }
        if (image && !files.hasImage()) {
          hold.end();
          throw new IOException("disk %s is gone; is it mounted?".formatted(files.subject()));
        }
      } catch (NoSuchFileException | FileAlreadyExistsException e) {
        throw new IOException(
            "%s: another process changes it; try again".formatted(e.getFile()), e);
      }
    } finally {
      lock.unlock();
    }
  }

  private void enterBackup(Claimant self) throws IOException {
    if (chain.read() instanceof View.At at
        && at.state().isOf(self)
        && at.state().mark() == Mark.OPEN) {
      chain.reserve(at.state());
      Entry next = new Entry(at.state(), Side.BACKUP, at.token());
      hold.prepare(next);
      files.sync();
      hold.adopt(next);
      hold.ready(false, clock.nanos());
      return;
    }
    throw new IOException(
        "disk %s is not that of this VM: give both hosts the same one".formatted(files.subject()));
  }

  private void enterPrimary(Claimant self) throws IOException {
    for (int i = 0; i < TRIES; i++) {
      View view = chain.read();
      if (view instanceof View.Unclear unclear) {
        throw new IOException(unclear.why());
      }
      Optional<View.At> at =
          view instanceof View.At present ? Optional.of(present) : Optional.empty();
      Optional<LeaseState> now = at.map(View.At::state);
      boolean ours = now.map(state -> state.vm().equals(self.vm())).orElse(false);
      boolean again = ours && isAgain(now.get(), self);
      if (ours && !again) {
        checkOwn(now.get(), self);
      } else if (!again && now.map(state -> state.mark() == Mark.OVER).orElse(false)) {
        checkFirst(now, self);
      } else if (!again) {
        checkMissing(now);
        checkFirst(now, self);
        owed |= !others.awaitDeath(self, now.isPresent());
      }
      LeaseState next =
          again
              ? now.get()
              : now.map(state -> state.next(self)).orElseGet(() -> LeaseState.first(self));
      hold.prepare(new Entry(next, Side.PRIMARY, ""));
      hold.pending(next);
      Optional<String> token = take(at, next, again);
      if (token.isPresent()) {
        enterTaken(new Entry(next, Side.PRIMARY, token.get()));
        return;
      }
    }
    throw new IOException(
        "disk %s was taken by another VM at this moment; lockstep disk info shows which"
            .formatted(files.subject()));
  }

  /** Whether this process, or one that knows nothing, has entered as the same already. */
  private boolean isAgain(LeaseState now, Claimant self) {
    return now.isOf(self) && now.mark() == Mark.OPEN && hold.mayBe(now);
  }

  /** Makes the state this one; empty when it was changed by others meanwhile. */
  private Optional<String> take(Optional<View.At> at, LeaseState next, boolean already)
      throws IOException {
    if (at.isEmpty()) {
      return chain.start(next);
    }
    chain.reserve(next);
    if (already || chain.move(at.get().state(), next)) {
      if (!at.get().anchored()) {
        var unused = chain.anchor(next);
      }
      return Optional.of(at.get().token());
    }
    chain.forget(next);
    return Optional.empty();
  }

  /** A lease that was removed is made anew by a new VM, and by one that has won its epoch. */
  private void checkMissing(Optional<LeaseState> now) throws IOException {
    if (now.isEmpty() && hold.entry().filter(mine -> !mine.state().equals(won)).isPresent()) {
      throw new IOException(chain.missing());
    }
  }

  /** Only a VM that is new takes the disk of another one. */
  private void checkFirst(Optional<LeaseState> now, Claimant self) throws IOException {
    if (now.isPresent() && self.epoch() > 1) {
      throw new IOException(
          "disk %s has gone to %s".formatted(files.subject(), now.get().inWords()));
    }
  }

  /** The state says that this side has the disk. */
  private void enterTaken(Entry mine) throws IOException {
    boolean runsAlready = hold.adopt(mine);
    try {
      clean(mine.state());
      if (owed) {
        // It shows that it lives, and writes nothing.
        clock.sleep(RUN_OUT_NANOS);
      }
      long started = clock.nanos();
      if (!(chain.read() instanceof View.At then) || !then.state().equals(mine.state())) {
        throw new IOException("disk %s was taken by another VM".formatted(files.subject()));
      }
      owed = false;
      hold.ready(true, started);
    } catch (IOException e) {
      if (!runsAlready) {
        hold.end();
      }
      throw e;
    }
  }

  private void clean(LeaseState now) throws IOException {
    try {
      chain.clean(now);
      if (owed) {
        // Its file of beats must not come back with a loss of power: to miss it is what makes the
        // former VM look afresh.
        files.sync();
      }
    } catch (IOException e) {
      if (owed) {
        throw e;
      }
      // Left for the next one: names that mean nothing.
    }
  }

  /** A later pair of this VM: only this process can know that it is this side's to make. */
  private void checkOwn(LeaseState now, Claimant self) throws IOException {
    if (now.epoch() > self.epoch()) {
      throw new IOException(
          "disk %s has a later pair of this VM, epoch %d".formatted(files.subject(), now.epoch()));
    }
    if (now.mark() == Mark.OVER && hold.entry().isEmpty()) {
      return;
    }
    boolean won =
        hold.entry()
            .map(mine -> mine.state().sequence() == now.sequence() && mine.isHolder(now.mark()))
            .orElse(false);
    if (!won || now.epoch() == self.epoch()) {
      throw new IOException(
          "disk %s belongs to this VM elsewhere: epoch %d was won by the %s"
              .formatted(files.subject(), now.epoch(), now.mark()));
    }
  }

  // Claims.

  @Override
  public Ruling claim(Claimant self) {
    lock.lock();
    try {
      long started = clock.nanos();
      try {
        Optional<Entry> entered = hold.entry().filter(mine -> mine.isOf(self));
        if (entered.isPresent()) {
          // First: whatever comes of it, a network file system sees the directory anew.
          var unused = attempt(entered.get().state(), self);
        }
        Ruling ruling = null;
        for (int i = 0; i < TRIES; i++) {
          View view = chain.readSynced();
          Optional<Ruling> judged = rulings.of(self, entered, view);
          if (judged.isPresent()) {
            ruling = judged.get();
            break;
          }
          var unused = attempt(((View.At) view).state(), self);
        }
        if (ruling == null) {
          return LeaseRuling.unknown(
              "the claim of disk %s does not stay".formatted(files.subject()));
        }
        if (entered.isPresent()) {
          settle(self, ruling, started);
        }
        return ruling;
      } catch (IOException e) {
        return LeaseRuling.unknown(String.valueOf(e.getMessage()));
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Something else has decided that this side goes on: makes the lease say so, now or with a later
   * heartbeat.
   */
  public void won(Claimant self) {
    lock.lock();
    try {
      hold.wonElsewhere();
      // What came of it, the next look shows.
      var unused = claim(self);
    } finally {
      lock.unlock();
    }
  }

  private boolean attempt(LeaseState state, Claimant self) throws IOException {
    return chain.move(state.with(Mark.OPEN), state.with(Mark.of(self.side())));
  }

  private void settle(Claimant self, Ruling ruling, long started) throws IOException {
    switch (ruling.verdict()) {
      case WON -> {
        won = hold.entry().map(Entry::state).orElse(null);
        hold.ready(true, started);
        if (self.side() == Side.BACKUP && !tookOver) {
          tookOver = true;
          tookOverNanos = clock.nanos();
        }
      }
      case LOST -> {
        hold.lose(ruling.reason());
        hold.end();
      }
      case UNKNOWN -> {
        // The same as before.
      }
    }
  }

  // Leaving.

  @Override
  public void part(Claimant self) throws IOException {
    lock.lock();
    try {
      hold.end();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Writes down that the VM is over; so nobody has to guess it from what is missing. A backup that
   * never won leaves that to its primary.
   */
  @Override
  public void leave(Claimant self) throws IOException {
    lock.lock();
    try {
      Optional<Entry> mine = hold.entry();
      long since = clock.nanos() - tookOverNanos;
      if (tookOver && since < RUN_OUT_NANOS) {
        // The primary may not have looked again since; who comes next would write beside it.
        clock.sleep(RUN_OUT_NANOS - since);
      }
      hold.end();
      LeaseState own =
          mine.map(Entry::state)
              .filter(state -> state.vm().equals(self.vm()))
              .orElseGet(() -> new LeaseState(0, self.vm(), self.epoch(), Mark.OPEN));
      Side side = mine.map(Entry::side).orElse(self.side());
      for (int i = 0; i < TRIES; i++) {
        if (!(chain.read() instanceof View.At at)
            || !at.state().vm().equals(own.vm())
            || at.state().epoch() != own.epoch()) {
          return;
        }
        LeaseState now = at.state();
        boolean its =
            now.mark() == Mark.of(side) || (now.mark() == Mark.OPEN && side == Side.PRIMARY);
        if (!its && now.mark() != Mark.OVER) {
          return;
        }
        LeaseState over = now.with(Mark.OVER);
        if (now.mark() == Mark.OVER || chain.move(now, over)) {
          chain.clean(over);
          for (Side each : Side.values()) {
            files.delete(LeaseBeat.name(over.vm(), each));
          }
          files.delete(LifeSigns.LOCK);
          return;
        }
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public boolean fences() {
    return false;
  }

  /** What has the disk, for people; empty for a free one. */
  public Optional<String> holderLine() throws IOException {
    return switch (chain.read()) {
      case View.Missing _ -> Optional.empty();
      case View.Unclear unclear -> Optional.of(unclear.why());
      case View.At at ->
          at.state().mark() == Mark.OVER ? Optional.empty() : Optional.of(at.state().inWords());
    };
  }

  @Override
  public void close() throws IOException {
    lock.lock();
    try {
      hold.end();
    } finally {
      lock.unlock();
    }
  }
}
