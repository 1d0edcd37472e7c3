package lockstep.replay.ft;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.KeyReader;
import lockstep.storage.scsi.PersistentReserve;
import lockstep.storage.scsi.ScsiArbiter;
import lockstep.storage.scsi.Standing;
import lockstep.testing.ModelUnit;

/**
 * A SCSI unit that all hosts of a world reach, and the real arbiter of each process. The target
 * restarts, and may forget all; connections break, so that answers get lost and commands arrive
 * late; now and then it drops a reservation or a registration. The unit itself refuses a loser's
 * writes.
 */
final class SimUnit implements SimStorage {
  private static final long MS = SimWorld.MS;
  private static final int COMMAND_MILLIS = 5_000;

  /** What can be broken on purpose, to see that the checks find it. */
  enum Plant {
    NOTHING,
    /** A primary is never told that its backup may claim. */
    NEVER_CONTESTED,
    /** A primary is told that its backup follows, though no heartbeat says so. */
    ALWAYS_FOLLOWED,
    /** The unit says that it was reset, and carries out what is on its way all the same. */
    NO_RESET,
    /** Nobody asks what may be sent over a new connection. */
    NO_GREETING,
    /** A claim without an answer counts as lost. */
    UNKNOWN_IS_LOST
  }

  /** What becomes of a command. */
  enum Fate {
    WELL,
    ANSWER_LOST,
    LATE
  }

  final Plant plant;
  private final SimCluster cluster;
  private final SimWorld world;
  private final ModelUnit unit;
  private final Map<SimSide, SimNexus> ways = new HashMap<>();
  private final Map<String, SimSide> sides = new HashMap<>();
  private final Map<Long, SimSide> winners = new HashMap<>();
  private final long[] written = new long[SimMemory.BLOCKS];
  private long slowUntilNanos;
  private long backNanos;

  /** Of so many commands one goes wrong; 0 for none. */
  private int faultOneOf;

  SimUnit(SimCluster cluster, Plant plant) {
    this.cluster = cluster;
    this.world = cluster.world;
    this.plant = plant;
    boolean keeps = world.chance(0.25);
    this.unit = new ModelUnit(keeps ? ModelUnit.Kind.KEEPS : ModelUnit.Kind.FORGETS, this::written);
    this.faultOneOf = world.chance(0.5) ? (int) world.between(50, 500) : 0;
    beenInUse();
    if (world.chance(0.2)) {
      world.after(world.between(0, cluster.lengthNanos), this::drop);
    }
  }

  /** So that the first primary need not look for life as on a target that has just been started. */
  private void beenInUse() {
    ModelUnit.Connection former = unit.connect("former");
    for (long[] keys : new long[][] {{0, 1}, {0, 1}, {1, 0}}) {
      Bytes cdb =
          PersistentReserve.out(
              PersistentReserve.Out.REGISTER, PersistentReserve.Type.WRITE_EXCLUSIVE);
      var unused = former.send(cdb, PersistentReserve.parameters(keys[0], keys[1], false)).arrive();
    }
  }

  private void drop() {
    if (world.chance(0.5)) {
      world.trace("the unit drops its reservation");
      unit.loseReservation();
    } else {
      world.trace("the unit drops a registration");
      unit.loseRegistration(world.random.nextInt(4));
    }
  }

  // What goes wrong.

  @Override
  public void slow(long untilNanos) {
    slowUntilNanos = Math.max(slowUntilNanos, untilNanos);
  }

  @Override
  public void restart(long untilNanos) {
    backNanos = Math.max(backNanos, untilNanos);
    unit.restart();
  }

  @Override
  public void heal() {
    slowUntilNanos = 0;
    backNanos = 0;
    faultOneOf = 0;
  }

  long latency() {
    return world.now() < slowUntilNanos ? world.between(0, 300 * MS) : world.between(20_000, MS);
  }

  Fate fate() {
    int dice = faultOneOf == 0 ? 2 : world.random.nextInt(2 * faultOneOf);
    return dice == 0 ? Fate.ANSWER_LOST : dice == 1 ? Fate.LATE : Fate.WELL;
  }

  /** Whether there is a way from there to the target, and it runs. */
  boolean isReached(SimSide from) {
    return Math.max(backNanos, from.host.storageBackNanos()) <= world.now();
  }

  @Override
  public boolean answers(SimSide side) {
    return Optional.ofNullable(ways.get(side)).map(SimNexus::isWell).orElse(false);
  }

  ModelUnit.Connection connect(SimSide side) {
    return unit.connect(side.name);
  }

  // What comes of it.

  private void written(String initiator, long block, Bytes data) {
    SimSide side = sides.get(initiator);
    if (side == null) {
      throw new IllegalStateException(initiator);
    }
    long number = data.asBuffer().getLong(0);
    int at = (int) block;
    cluster.outside.writes(side, at, written[at], number, data);
    written[at] = Math.max(written[at], number);
  }

  /** Whether the unit says by now that a side has won. */
  void look() {
    long key = unit.holderKey();
    SimSide holder = sides.get(unit.holder());
    if (holder != null) {
      KeyReader.read(key)
          .filter(pair -> pair.winner().isPresent())
          .ifPresent(pair -> wins(pair.epoch(), holder));
    }
  }

  private void wins(long epoch, SimSide side) {
    SimSide before = winners.putIfAbsent(epoch, side);
    if (before == null) {
      cluster.outside.wins(side);
    } else if (before != side) {
      world.fail(
          "%s has won epoch %d, and so has %s; %s".formatted(before.name, epoch, side.name, unit));
    }
  }

  /**
   * The unit has no reservation, or that of a side which died while it claimed: what was decided is
   * in no living memory (docs/adr/0007-scsi-verdict.md).
   */
  @Override
  public boolean isUndecidable(SimSide side) {
    boolean alone =
        cluster.sides.stream()
            .allMatch(other -> other == side || other.process.isDead() || hasNoPart(other));
    long epoch = side.session.epoch();
    boolean decidable =
        KeyReader.read(unit.holderKey())
            .map(now -> now.epoch() > epoch || (now.epoch() == epoch && now.isDecidable()))
            .orElse(false);
    return alone && !decidable;
  }

  private static boolean hasNoPart(SimSide side) {
    return switch (side.state()) {
      case WAITING, HALTED, ENDED -> true;
      case RECEIVING, FOLLOWING, CATCHING_UP, CLAIMING, TAKING_OVER -> false;
      case ALONE, PAIRING, PROTECTED, HANDING_OVER -> false;
    };
  }

  // What a process has of it.

  @Override
  public Arbiter arbiter(SimSide side) {
    sides.put(side.name, side);
    Arbiter[] made = new Arbiter[1];
    ways.put(
        side,
        new SimNexus(
            side,
            this,
            way -> {
              ScsiArbiter real =
                  new ScsiArbiter(
                      way, PersistentReserve.Type.WRITE_EXCLUSIVE, COMMAND_MILLIS, side.process);
              real.onDoubt(way::doubt);
              made[0] = new Watched(side, real);
              return plant == Plant.NO_GREETING ? _ -> Standing.HOLDS : real::restore;
            }));
    return made[0];
  }

  @Override
  public BlockDevice device(SimSide side) {
    SimNexus way = ways.get(side);
    if (way == null) {
      throw new IllegalStateException(side.name);
    }
    return way;
  }

  /** The real one; what it rules is seen. */
  private final class Watched implements Arbiter {
    private final SimSide side;
    private final ScsiArbiter real;

    Watched(SimSide side, ScsiArbiter real) {
      this.side = side;
      this.real = real;
    }

    @Override
    public void enter(Claimant self) throws IOException {
      real.enter(self);
    }

    @Override
    public Ruling claim(Claimant self) {
      Ruling ruling = real.claim(self);
      world.trace("%s claims epoch %d: %s; %s".formatted(side.name, self.epoch(), ruling, unit));
      if (ruling.verdict() == Verdict.WON) {
        wins(self.epoch(), side);
      }
      return plant == Plant.UNKNOWN_IS_LOST && ruling.verdict() == Verdict.UNKNOWN
          ? new Ruling(Verdict.LOST, "planted")
          : ruling;
    }

    @Override
    public void contested(boolean now) {
      real.contested(now && plant != Plant.NEVER_CONTESTED);
      if (plant == Plant.ALWAYS_FOLLOWED && now) {
        pretend();
      }
    }

    private void pretend() {
      if (!side.process.isDead()) {
        real.followed(side.process.steadyNanos());
        world.after(10 * MS, this::pretend);
      }
    }

    @Override
    public void followed(long nanos) {
      real.followed(nanos);
    }

    @Override
    public void part(Claimant self) throws IOException {
      real.part(self);
    }

    @Override
    public void leave(Claimant self) throws IOException {
      real.leave(self);
    }

    @Override
    public boolean holds() {
      return real.holds();
    }

    @Override
    public boolean fences() {
      return real.fences();
    }

    @Override
    public void close() {
      real.close();
    }
  }
}
