package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import lockstep.replay.ft.disk.Arbiter.Ruling;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.storage.FileLease.Standing;
import lockstep.storage.lease.LeaseChain;
import lockstep.storage.lease.LeaseClock;
import lockstep.storage.lease.LeaseState;
import lockstep.storage.lease.LeaseState.Mark;
import lockstep.testing.SimulatedShare;
import lockstep.testing.SimulatedShare.Cache;
import org.jspecify.annotations.Nullable;

/**
 * Three hosts that enter, claim, leave, stop, crash and lose their share, all by chance, and the
 * real {@link FileLease} in each. While one host is inside a call, the others go on.
 */
final class LeaseWorld {
  private static final int HOSTS = 3;
  private static final long MILLI = 1_000_000;

  /** A fault in the protocol, planted to see that the checks find it. */
  enum Plant {
    NONE,
    /** Takes a silent VM's disk without waiting for its last look to run out. */
    NO_RUN_OUT,
    /** Says what came of a claim before it is on the medium. */
    NO_SYNC
  }

  private final long seed;
  private final SplittableRandom random;
  private final SimulatedShare share;
  private final SimulatedShare.Mount god;
  private final List<Host> hosts = new ArrayList<>();
  private final Map<String, Side> winners = new HashMap<>();
  private final Set<String> paired = new HashSet<>();
  private final List<Optional<LeaseState>> history = new ArrayList<>();
  private final StringBuilder story = new StringBuilder();
  private final Plant plant;
  private long nowNanos = 1_000 * MILLI;
  private int vms;
  private int depth;

  /** Files were removed by hand: what holds may overlap, verdicts may not. */
  private boolean removed;

  private int won;
  private int lost;
  private int unknown;
  private int takeovers;

  LeaseWorld(long seed, Plant plant) {
    this.seed = seed;
    this.plant = plant;
    this.random = new SplittableRandom(seed);
    this.share = new SimulatedShare(() -> nowNanos, random);
    this.god = share.mount(Cache.NONE, true);
    boolean ownLocks = random.nextBoolean();
    for (int i = 0; i < HOSTS; i++) {
      Cache cache = List.of(Cache.values()).get(random.nextInt(Cache.values().length));
      hosts.add(new Host(i, share.mount(cache, ownLocks || random.nextInt(4) == 0)));
    }
  }

  /** What came of it, in words. */
  record Sums(int won, int lost, int unknown, int takeovers) {}

  Sums run(int actions) {
    for (int i = 0; i < actions; i++) {
      advance(random.nextLong(3_000) * MILLI);
      act(hosts.get(random.nextInt(HOSTS)));
    }
    return new Sums(won, lost, unknown, takeovers);
  }

  private void say(String line) {
    story.append("\n%8.3f s  ".formatted(nowNanos / 1e9)).append(line);
  }

  private String story() {
    return "seed " + seed + story;
  }

  /** A process ends in the middle of a call. */
  private static final class Crashed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** A machine with at most one process that has a lease. */
  private final class Host implements LeaseClock {
    private final int number;
    private final SimulatedShare.Mount mount;
    private final List<Runnable> beats = new ArrayList<>();
    private @Nullable FileLease lease;
    private Optional<Claimant> self = Optional.empty();
    private Optional<Claimant> entering = Optional.empty();
    private long nextBeatNanos;
    private long stoppedUntilNanos;
    private int entered;

    /** A call, or a heartbeat, is under way, and does not sleep. */
    private boolean inFiles;

    private boolean inCall;
    private boolean dead;

    Host(int number, SimulatedShare.Mount mount) {
      this.number = number;
      this.mount = mount;
      mount.pause(() -> meanwhile(this));
      if (plant == Plant.NO_SYNC) {
        mount.ignoreSync();
      }
    }

    boolean isStopped() {
      return nowNanos < stoppedUntilNanos;
    }

    @Override
    public long nanos() {
      return nowNanos;
    }

    @Override
    public void sleep(long nanos) throws InterruptedIOException {
      if (plant == Plant.NO_RUN_OUT && nanos == FileLease.RUN_OUT_NANOS) {
        return;
      }
      inFiles = false;
      advance(nanos);
      while (isStopped()) {
        advance(stoppedUntilNanos - nowNanos);
      }
      inFiles = true;
    }

    @Override
    public Lock lock() {
      return new ReentrantLock();
    }

    @Override
    public Runnable repeat(long nanos, Runnable work) {
      beats.add(work);
      nextBeatNanos = nowNanos + nanos;
      return () -> beats.remove(work);
    }

    @Override
    public String toString() {
      return "host %d%s"
          .formatted(
              number,
              self.map(
                      c ->
                          " (%s, epoch %d, %s)"
                              .formatted(c.vm().substring(28), c.epoch(), c.side()))
                  .orElse(""));
    }
  }

  /** Time passes; heartbeats come due. */
  private void advance(long nanos) {
    long until = nowNanos + nanos;
    while (true) {
      Host next = null;
      for (Host host : hosts) {
        if (!host.beats.isEmpty()
            && !host.inFiles
            && !host.isStopped()
            && host.nextBeatNanos <= until
            && (next == null || host.nextBeatNanos < next.nextBeatNanos)) {
          next = host;
        }
      }
      if (next == null) {
        break;
      }
      nowNanos = Math.max(nowNanos, next.nextBeatNanos);
      next.nextBeatNanos = nowNanos + FileLease.BEAT_NANOS;
      beat(next);
      check();
    }
    nowNanos = Math.max(nowNanos, until);
    check();
  }

  private void beat(Host host) {
    host.inFiles = true;
    depth++;
    try {
      List.copyOf(host.beats).forEach(Runnable::run);
    } catch (Crashed e) {
      crash(host);
    } finally {
      depth--;
      host.inFiles = false;
    }
  }

  /** One host is inside a call to the share. */
  private void meanwhile(Host inside) {
    if (inside.dead) {
      throw new Crashed();
    }
    if (depth > HOSTS || random.nextInt(40) != 0) {
      return;
    }
    if (random.nextInt(30) == 0) {
      inside.dead = true;
      throw new Crashed();
    }
    depth++;
    advance(random.nextInt(4) == 0 ? random.nextLong(9_000) * MILLI : random.nextLong(50) * MILLI);
    act(hosts.get(random.nextInt(HOSTS)));
    depth--;
  }

  /** One VM at a time may write. */
  private void check() {
    if (removed) {
      return;
    }
    for (Host one : hosts) {
      for (Host other : hosts) {
        if (one.number < other.number
            && holds(one)
            && holds(other)
            && !one.self.map(Claimant::vm).equals(other.self.map(Claimant::vm))) {
          fail("both may write: " + one + " and " + other + "; " + story());
        }
      }
    }
  }

  private static boolean holds(Host host) {
    return host.lease != null && host.lease.standing() == Standing.HELD;
  }

  private void act(Host host) {
    if (host.inCall || host.inFiles || host.isStopped()) {
      return;
    }
    host.inCall = true;
    host.inFiles = true;
    int before = depth;
    try {
      choose(host);
    } catch (Crashed e) {
      depth = before;
      crash(host);
    } finally {
      host.entering = Optional.empty();
      host.inCall = false;
      host.inFiles = false;
    }
    note();
    check();
  }

  private void choose(Host host) {
    int dice = random.nextInt(100);
    if (dice < 40) {
      enterOrClaim(host);
    } else if (dice < 60) {
      claim(host);
    } else if (dice < 66) {
      leave(host);
    } else if (dice < 74) {
      host.stoppedUntilNanos = nowNanos + random.nextLong(12_000) * MILLI;
      say(host + " is stopped until " + host.stoppedUntilNanos / 1e9);
    } else if (dice < 80) {
      crash(host);
    } else if (dice < 86) {
      host.mount.mounted(random.nextInt(3) != 0);
      say(host + " mounts or unmounts");
    } else if (dice < 90) {
      host.mount.errors(random.nextInt(3) == 0 ? 100 : 0);
    } else if (dice < 94) {
      share.full(random.nextInt(3) == 0);
    } else if (dice < 97) {
      say("the server loses its power");
      share.loseUnsynced();
    } else if (dice == 97 && hosts.stream().noneMatch(other -> other != host && other.inCall)) {
      say("IMAGE.lease is removed");
      share.remove("");
    } else if (dice == 98 && random.nextInt(4) == 0) {
      say("all is removed");
      removed = true;
      share.removeAll();
    }
  }

  private void crash(Host host) {
    say(host + " crashes");
    host.dead = false;
    host.beats.clear();
    host.lease = null;
    host.self = Optional.empty();
    host.mount.crash();
  }

  private void enterOrClaim(Host host) {
    Claimant self;
    if (host.self.isPresent()) {
      Claimant mine = host.self.get();
      boolean isVm = mine.side() == Side.PRIMARY || mine.side() == winners.get(key(mine));
      if (!isVm) {
        return;
      }
      // A later pair of a survivor, or of a primary that has had no backup.
      if (winners.get(key(mine)) != mine.side() && paired.contains(key(mine))) {
        return;
      }
      self = new Claimant(mine.vm(), mine.epoch() + 1, Side.PRIMARY);
    } else {
      Optional<Host> primary =
          hosts.stream()
              .filter(
                  other ->
                      other.self.map(c -> c.side() == Side.PRIMARY).orElse(false)
                          && !winners.containsKey(key(other.self.get()))
                          && peer(other.self.get()).isEmpty())
              .findFirst();
      self =
          primary.isPresent() && random.nextInt(4) != 0
              ? primary.get().self.get().peer()
              : new Claimant("%032x".formatted(++vms), 1, Side.PRIMARY);
    }
    enter(host, self);
  }

  private Optional<Host> peer(Claimant of) {
    return hosts.stream()
        .filter(
            other ->
                other.self.equals(Optional.of(of.peer()))
                    || other.entering.equals(Optional.of(of.peer())))
        .findFirst();
  }

  private static String key(Claimant of) {
    return of.vm() + " " + of.epoch();
  }

  private void enter(Host host, Claimant self) {
    if (!host.mount.hasImage()) {
      // No image to open: so far it does not come.
      return;
    }
    FileLease lease =
        host.lease != null ? host.lease : new FileLease(host.mount, host, "host " + host.number);
    host.lease = lease;
    Optional<LeaseState> before = truth();
    host.entering = Optional.of(self);
    if (self.side() == Side.BACKUP) {
      paired.add(key(self));
    }
    try {
      lease.enter(self);
      host.self = Optional.of(self);
      note();
      host.entered = history.size() - 1;
      say(host + " has entered");
      if (before.isPresent()
          && !before.get().vm().equals(self.vm())
          && before.get().mark() != Mark.OVER) {
        takeovers++;
      }
    } catch (IOException e) {
      say("%s cannot enter as %s: %s".formatted(host, self, e.getMessage()));
      if (host.self.isEmpty()) {
        // A process that may not have the disk ends.
        crash(host);
      }
    }
  }

  private void claim(Host host) {
    if (host.self.isEmpty() || host.lease == null) {
      return;
    }
    Claimant self = host.self.get();
    Ruling ruling = host.lease.claim(self);
    note();
    say("%s claims: %s".formatted(host, ruling));
    switch (ruling.verdict()) {
      case WON -> {
        won++;
        Side other = winners.put(key(self), self.side());
        assertFalse(other == self.side().other(), () -> "two winners; " + story());
      }
      case LOST -> {
        lost++;
        assertTrue(
            history.subList(host.entered, history.size()).stream().anyMatch(s -> isOthers(s, self)),
            () -> "lost, and nobody has won; " + story());
        crash(host);
      }
      case UNKNOWN -> unknown++;
    }
  }

  private void note() {
    history.add(truth());
  }

  private static boolean isOthers(Optional<LeaseState> state, Claimant self) {
    return state
        .map(
            now ->
                !now.isOf(self) || (now.mark() != Mark.OPEN && now.mark() != Mark.of(self.side())))
        .orElse(false);
  }

  /** What the share says. */
  private Optional<LeaseState> truth() {
    try {
      return new LeaseChain(god).read() instanceof LeaseChain.View.At at
          ? Optional.of(at.state())
          : Optional.empty();
    } catch (IOException e) {
      throw new IllegalStateException(story(), e);
    }
  }

  private void leave(Host host) {
    if (host.self.isEmpty() || host.lease == null) {
      return;
    }
    Claimant self = host.self.get();
    boolean isVm =
        (self.side() == Side.PRIMARY && peer(self).isEmpty())
            || winners.get(key(self)) == self.side();
    say(host + (isVm ? " leaves" : " parts"));
    try {
      if (isVm) {
        host.lease.leave(self);
      } else if (self.side() == Side.BACKUP) {
        host.lease.part(self);
      } else {
        return;
      }
    } catch (IOException e) {
      say(host + ": " + e.getMessage());
    }
    crash(host);
  }
}
