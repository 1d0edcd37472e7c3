package lockstep.replay.ft;

import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/** What goes wrong in a world, and what its users do meanwhile. */
final class SimFaults {
  private static final long MS = SimWorld.MS;

  /** Kinds of faults; each happens to a side at some moment. */
  enum Kind {
    /** SIGKILL: its kernel closes its connections. */
    KILL((side, _) -> side.die(false)),
    /** A power loss: nobody hears anything of it any more. */
    POWER_LOSS((side, _) -> side.die(true)),
    /** SIGSTOP, a hung host, a long collection. */
    PAUSE(
        (side, until) -> {
          side.world.trace(side.name + " is paused");
          side.process.stop();
          side.world.after(until - side.world.now(), side.process::wakeUp);
        }),
    /** One thread gets no CPU: a page fault, a busy core. */
    STALL((side, until) -> stall(thread(side, ".*"), until - side.world.now())),
    /** A thread that the side cannot do without stands still, and does not recover. */
    HANG((side, _) -> stall(thread(side, VITAL), 1_000 * SimWorld.SECOND)),
    /** A thread meets an Error. */
    ERROR(
        (side, _) ->
            thread(side, ".*").ifPresent(thread -> thread.meet(new SimProcess.SimError()))),
    /** Nothing passes between any two hosts. */
    CUT(
        (side, until) -> {
          side.world.trace("the network is cut");
          for (SimHost from : side.cluster.hosts) {
            side.cluster.hosts.forEach(to -> from.block(to, until));
          }
        }),
    /** The others do not hear it, and it hears them. */
    MUTE(
        (side, until) -> {
          side.world.trace("no host hears " + side.host.name);
          side.cluster.hosts.forEach(to -> side.host.block(to, until));
        }),
    /** A firewall that lets no datagram through. */
    NO_DATAGRAMS(
        (side, _) -> {
          side.world.trace("no datagram of " + side.host.name + " passes");
          side.cluster.hosts.forEach(to -> side.host.dropDatagrams(to, Long.MAX_VALUE));
        }),
    /** A box in between resets the connection. */
    RESET((side, _) -> side.link().ifPresent(SimLink::reset)),
    /** A bit flips in a frame on its way. */
    FLIPPED_BIT((side, _) -> damage(side, SimLink.Damage.FLIPPED)),
    /** The primary says what its backup does not understand. */
    UNKNOWN_ENTRY((side, _) -> damage(side, SimLink.Damage.UNKNOWN_ENTRY)),
    /** Something comes that is no message. */
    GARBAGE((side, _) -> damage(side, SimLink.Damage.GARBAGE)),
    /** The storage is slow. */
    SLOW_STORAGE((side, until) -> side.cluster.storage.slow(until)),
    /** The storage answers none of the hosts. */
    NO_STORAGE((side, until) -> side.cluster.hosts.forEach(host -> host.loseStorage(until))),
    /** The storage answers all hosts but this one. */
    NO_STORAGE_HERE((side, until) -> side.host.loseStorage(until)),
    /** The storage restarts. */
    STORAGE_RESTART(
        (side, until) -> {
          side.world.trace("the storage restarts");
          side.cluster.storage.restart(until);
        }),
    /** Memory rots, or the CPU differs: the replay goes astray soon. */
    DIVERGENCE((side, _) -> side.diverge(side.world.between(0, 20))),
    /** Nobody reads the console. */
    CONSOLE_UNREAD((side, until) -> side.ignoreConsole(until)),
    DETACH((side, _) -> side.detach()),
    STOP((side, _) -> side.stop()),
    POWER_OFF((side, _) -> side.powerOff()),
    FAILOVER((side, _) -> side.handOver(30 * SimWorld.SECOND)),
    /** A planned failover that is given up soon if something is slow. */
    FAILOVER_IN_A_HURRY((side, until) -> side.handOver((until - side.world.now()) / 8));

    @SuppressWarnings("ImmutableEnumChecker") // None of them keeps anything.
    private final BiConsumer<SimSide, Long> what;

    Kind(BiConsumer<SimSide, Long> what) {
      this.what = what;
    }
  }

  private static final String VITAL = "vcpu-0|console-gate|disk-gate";
  private static final Kind[] KINDS = Kind.values();

  private SimFaults() {}

  private static Optional<SimThread> thread(SimSide side, String names) {
    List<SimThread> threads =
        side.process.threads().stream().filter(each -> each.name.matches(names)).toList();
    return threads.isEmpty()
        ? Optional.empty()
        : Optional.of(threads.get(side.world.random.nextInt(threads.size())));
  }

  private static void stall(Optional<SimThread> thread, long nanos) {
    thread.ifPresent(
        chosen -> {
          chosen.process.world.trace("%s stalls for %d ms".formatted(chosen, nanos / MS));
          chosen.stall(nanos);
        });
  }

  private static void damage(SimSide side, SimLink.Damage how) {
    side.link().ifPresent(link -> link.damageNext(how));
  }

  /** None to four. */
  static void some(SimCluster cluster) {
    SimWorld world = cluster.world;
    int faults = world.random.nextInt(5);
    for (int i = 0; i < faults; i++) {
      one(cluster, KINDS[world.random.nextInt(KINDS.length)]);
    }
    if (world.chance(0.5)) {
      lookForBackups(cluster);
    }
  }

  /**
   * The primary stands still while its backup wins; then the winner loses its way to the storage,
   * which restarts, and the primary wakes up.
   */
  static void aWinnerThatIsCutOff(SimCluster cluster) {
    SimWorld world = cluster.world;
    long from = world.between(200 * MS, 500 * MS);
    long awake = from + world.between(900 * MS, 1_500 * MS);
    SimSide sleeper = cluster.side(0);
    world.after(from, sleeper.process::stop);
    world.after(awake - 30 * MS, () -> cluster.host(1).loseStorage(awake + 600 * MS));
    world.after(awake - 20 * MS, () -> cluster.storage.restart(awake - 10 * MS));
    world.after(awake, sleeper.process::wakeUp);
  }

  /**
   * Acknowledged bytes wait for a console that nobody reads; the network is cut for good, and the
   * console takes them again at about the time at which the backup goes live. Only the lease keeps
   * the primary silent then.
   */
  static void anUnreadConsoleAndACut(SimCluster cluster) {
    SimWorld world = cluster.world;
    cluster.lengthNanos = SimWorld.SECOND;
    long at = world.between(300 * MS, 500 * MS);
    long back = at + cluster.times.leaseNanos() * world.between(70, 250) / 100;
    world.after(at - 100 * MS, () -> cluster.side(0).ignoreConsole(back));
    world.after(at, () -> Kind.CUT.what.accept(cluster.side(0), at + 3 * SimWorld.SECOND));
  }

  /** As {@code --spares} does: a VM that lost the other side asks whoever waits. */
  static void lookForBackups(SimCluster cluster) {
    SimWorld world = cluster.world;
    world.after(
        world.between(50 * MS, 400 * MS),
        () -> {
          SimHost vm = cluster.host(world.random.nextInt(cluster.hosts.size()));
          SimHost with = cluster.host(world.random.nextInt(cluster.hosts.size()));
          if (vm != with) {
            if (world.chance(0.3)) {
              cluster.restart(with);
            }
            vm.side().filter(side -> !side.process.isDead()).ifPresent(side -> side.protect(with));
          }
          if (world.now() < cluster.lengthNanos) {
            lookForBackups(cluster);
          }
        });
  }

  /** One fault at some moment. */
  static void one(SimCluster cluster, Kind kind) {
    SimWorld world = cluster.world;
    long at = world.between(0, cluster.lengthNanos);
    long length = world.between(0, 800 * MS);
    int number = world.chance(0.5) ? 0 : world.chance(0.7) ? 1 : 2;
    world.after(
        at,
        () -> {
          SimSide side = cluster.side(number);
          if (!side.process.isDead()) {
            cluster.faults.add(kind);
            kind.what.accept(side, world.now() + length);
          }
        });
  }
}
