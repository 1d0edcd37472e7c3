package lockstep.replay.ft;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtTimes;

/** Three hosts, their storage and what the world sees of the VM that runs on them. */
final class SimCluster {
  /** Until then faults happen; afterwards everything heals but the dead. */
  long lengthNanos = 3 * SimWorld.SECOND;

  /** What planned failovers, drains and pairings take at most, one after another. */
  private static final long SETTLED = 120 * SimWorld.SECOND;

  private static final long LOOK = 250 * SimWorld.MS;

  /** A settled world must stay so. */
  private static final int CALM_LOOKS = 4;

  final SimWorld world;
  final SimPlant plant;
  final FtTimes times;

  /** After twice this, a side that stands still is given up. */
  private final long stallNanos;

  final SimStorage storage;
  final SimOutside outside;
  final Set<String> transitions = new TreeSet<>();

  /** What has gone wrong, and what users have done. */
  final Set<SimFaults.Kind> faults = EnumSet.noneOf(SimFaults.Kind.class);

  final List<SimHost> hosts = new ArrayList<>();
  final List<SimSide> sides = new ArrayList<>();

  SimCluster(SimWorld world, SimPlant plant) {
    this(world, plant, cluster -> new SimTestAndSet(cluster, world.chance(0.5)));
  }

  SimCluster(SimWorld world, SimPlant plant, Function<SimCluster, SimStorage> storage) {
    this.world = world;
    this.plant = plant;
    int[] timeouts = {50, 200, 200, 200, 500};
    int timeout = timeouts[world.random.nextInt(timeouts.length)];
    // Short, so that a thread that stands still for good is found while the world lasts.
    long stall = Math.max(2_000, 2 * timeout);
    this.stallNanos = stall * SimWorld.MS;
    this.times = FtTimes.of(timeout, plant == SimPlant.NO_STALL_WATCH ? Integer.MAX_VALUE : stall);
    this.outside = new SimOutside(world);
    this.storage = storage.apply(this);
    for (String name : List.of("PRIMARY", "BACKUP", "SPARE")) {
      hosts.add(new SimHost(name, hosts.size(), this));
    }
    for (SimHost host : hosts) {
      boolean primary = host.number == 0;
      begin(host, primary);
    }
  }

  /**
   * A whole world, from its beginning to its end.
   *
   * @param faults what is to go wrong in it
   * @throws AssertionError when a promise is broken, with the seed and what happened last
   */
  static SimCluster run(
      SimWorld world, Function<SimWorld, SimCluster> begin, Consumer<SimCluster> faults) {
    try {
      SimCluster cluster = begin.apply(world);
      faults.accept(cluster);
      cluster.toTheEnd();
      return cluster;
    } catch (AssertionError e) {
      throw new AssertionError(
          "seed %d: %s; -Dsim.seed=%d shows it all; last of all:%n%s"
              .formatted(world.seed, e.getMessage(), world.seed, world.report()),
          e);
    }
  }

  SimHost host(int number) {
    return hosts.get(number);
  }

  SimSide side(int number) {
    return hosts.get(number).side().orElseThrow();
  }

  private SimSide begin(SimHost host, boolean primary) {
    SimSide side = new SimSide(host, primary);
    sides.add(side);
    if (primary) {
      side.primary(Optional.of(hosts.get(1)));
    } else {
      side.backup();
    }
    return side;
  }

  /** A process that died is started again, as a backup that waits. */
  void restart(SimHost host) {
    if (host.side().map(side -> side.process.isDead()).orElse(true)) {
      world.trace(host.name + " starts a backup");
      begin(host, false);
    }
  }

  /** Runs it until everything has settled after the last fault. */
  void toTheEnd() {
    world.runUntil(lengthNanos);
    heal();
    unstall();
    int calm = 0;
    while (calm < CALM_LOOKS) {
      List<Long> before = sides.stream().map(SimSide::exited).toList();
      world.runUntil(world.now() + LOOK);
      Optional<String> unsettled = unsettled().or(() -> frozen(before));
      calm = unsettled.isPresent() ? 0 : calm + 1;
      if (world.now() > SETTLED) {
        world.fail(unsettled.orElse("it does not settle"));
        world.runUntil(world.now() + 1);
      }
    }
    check();
  }

  private Optional<String> unsettled() {
    return sides.stream()
        .filter(side -> !isUndecidable(side))
        .flatMap(side -> side.unsettled().stream())
        .findFirst();
  }

  /** A side whose thread stands still must have been given up by then, if there is another one. */
  private void unstall() {
    if (sides.stream().noneMatch(SimSide::isStalled)) {
      return;
    }
    world.runUntil(world.now() + 2 * stallNanos);
    for (SimSide side : sides) {
      if (side.isStalled()
          && !side.isStalledInTerminal()
          && (side.state() == FtState.PROTECTED || side.state() == FtState.FOLLOWING)) {
        world.fail("%s is %s, and a thread of it stands still".formatted(side.name, side.state()));
      }
      side.unstall();
    }
  }

  /** A VM whose guest makes no exits. */
  private Optional<String> frozen(List<Long> before) {
    for (int i = 0; i < before.size(); i++) {
      SimSide side = sides.get(i);
      if (side.isTheVm() && side.exited() == before.get(i)) {
        return Optional.of(side.name + " is the VM and does nothing");
      }
    }
    return Optional.empty();
  }

  private void heal() {
    hosts.forEach(SimHost::heal);
    storage.heal();
    sides.forEach(SimSide::heal);
  }

  /** Whether a side waits for a person to say who has won. */
  boolean isUndecidable() {
    return sides.stream().anyMatch(this::isUndecidable);
  }

  private boolean isUndecidable(SimSide side) {
    return !side.process.isDead()
        && side.state() == FtState.CLAIMING
        && storage.isUndecidable(side);
  }

  private void check() {
    List<SimSide> vms = sides.stream().filter(SimSide::isTheVm).toList();
    if (vms.size() > 1) {
      throw new AssertionError(
          "more than one side is the VM: " + vms.stream().map(side -> side.name).toList());
    }
    if (!vms.isEmpty() && outside.over().isPresent()) {
      throw new AssertionError(
          "the VM is over, and %s is the VM: %s"
              .formatted(vms.getFirst().name, outside.over().get()));
    }
    if (vms.isEmpty() && !outside.mayBeGone() && !isUndecidable()) {
      throw new AssertionError("nobody is the VM; left were " + outside.holders());
    }
  }
}
