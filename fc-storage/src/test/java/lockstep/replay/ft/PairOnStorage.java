package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.EnumMap;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import lockstep.replay.ft.protocol.FtState;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * The worlds of {@code FtSimulationTest} over a real arbiter.
 *
 * @param <P> the bugs that can be planted in the storage
 */
abstract class PairOnStorage<P extends Enum<P>> {
  private static final int SEEDS = 500;
  private static final int MANY_SEEDS = 50_000;
  private static final int SEEDS_FOR_A_PLANT = 1_000;
  private static final int SEEDS_FOR_A_WINNER = 50;

  private final BiFunction<SimCluster, P, SimStorage> storage;
  private final P nothing;
  private final Class<? extends SimScan.Worlds> worlds;

  /**
   * @param storage what a world's pairs share
   * @param nothing the plant that plants nothing
   * @param worlds the worlds in which nothing is planted
   */
  PairOnStorage(
      BiFunction<SimCluster, P, SimStorage> storage,
      P nothing,
      Class<? extends SimScan.Worlds> worlds) {
    this.storage = storage;
    this.nothing = nothing;
    this.worlds = worlds;
  }

  /** A whole world in which nothing is planted, for a scan. */
  static SimCluster run(SimWorld world, Function<SimCluster, SimStorage> storage) {
    return SimCluster.run(
        world, each -> new SimCluster(each, SimPlant.NOTHING, storage), SimFaults::some);
  }

  private SimCluster run(SimWorld world, P plant, Consumer<SimCluster> faults) {
    return SimCluster.run(
        world,
        each -> new SimCluster(each, SimPlant.NOTHING, cluster -> storage.apply(cluster, plant)),
        faults);
  }

  private SimCluster run(SimWorld world) {
    return run(world, nothing, SimFaults::some);
  }

  private void check(SimTally tally) {
    long worlds = tally.of("worlds");
    long shown = tally.of("guest showed something");
    assertTrue(shown > worlds / 2, "the guests hardly ever showed something: " + shown);
    for (FtState state : new FtState[] {FtState.ALONE, FtState.FOLLOWING, FtState.HALTED}) {
      long ended = tally.of("end: backup is " + state);
      assertTrue(ended > worlds / 100, "hardly any " + state + ": " + ended);
    }
    long undecidable = tally.of("end: a side waits for a person's word");
    assertTrue(undecidable < worlds / 20, "too many worlds are excused: " + undecidable);
  }

  @Test
  void thePromiseIsKept() {
    SimTally tally = new SimTally();
    for (long seed = 1; seed <= SEEDS; seed++) {
      tally.add(run(new SimWorld(seed)));
    }
    check(tally);
  }

  @Test
  void aWinnerThatIsCutOffStaysTheOnlyOne() {
    Map<FtState, Integer> primaries = new EnumMap<>(FtState.class);
    for (long seed = 1; seed <= SEEDS_FOR_A_WINNER; seed++) {
      SimCluster cluster = run(new SimWorld(seed), nothing, SimFaults::aWinnerThatIsCutOff);
      primaries.merge(cluster.side(0).state(), 1, Integer::sum);
    }
    assertTrue(
        primaries.getOrDefault(FtState.HALTED, 0) > SEEDS_FOR_A_WINNER / 2,
        "hardly a takeover: " + primaries);
  }

  /** Other ones: -Dsim.first=SEED -Dsim.worlds=N; see {@link SimScan}. */
  @Test
  @Tag("long")
  void thePromiseIsKeptInManyWorlds() throws Exception {
    check(SimScan.scan(worlds, MANY_SEEDS));
  }

  @Test
  void aSeedGivesTheSameWorldAgain() {
    SimCluster once = run(new SimWorld(1));
    SimCluster again = run(new SimWorld(1));
    assertEquals(once.world.report(), again.world.report());
    assertEquals(once.world.turns(), again.world.turns());
  }

  /** Prints all that happens in one world: -Dsim.seed=N. */
  @Test
  @EnabledIfSystemProperty(named = "sim.seed", matches = "\\d+")
  void oneWorldIsShown() {
    SimWorld world = new SimWorld(Long.getLong("sim.seed", 0));
    world.traced = true;
    assertTrue(run(world).outside.shown() >= 0);
  }

  /** For a parameterized test of each plant. */
  void isFound(P plant) {
    assertThrows(
        AssertionError.class,
        () -> {
          for (long seed = 1; seed <= SEEDS_FOR_A_PLANT; seed++) {
            var unused = run(new SimWorld(seed), plant, SimFaults::aWinnerThatIsCutOff);
            var unusedToo = run(new SimWorld(seed), plant, SimFaults::some);
          }
        },
        plant + " was not noticed in " + SEEDS_FOR_A_PLANT + " worlds");
  }
}
