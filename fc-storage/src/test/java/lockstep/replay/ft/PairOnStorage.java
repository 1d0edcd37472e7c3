package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.EnumMap;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Consumer;
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

  /**
   * @param storage what a world's pairs share
   * @param nothing the plant that plants nothing
   */
  PairOnStorage(BiFunction<SimCluster, P, SimStorage> storage, P nothing) {
    this.storage = storage;
    this.nothing = nothing;
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

  private void worlds(long first, int count) {
    Map<FtState, Integer> backups = new EnumMap<>(FtState.class);
    int shown = 0;
    int undecidable = 0;
    for (long seed = first; seed < first + count; seed++) {
      SimCluster cluster = run(new SimWorld(seed));
      backups.merge(cluster.sides.get(1).state(), 1, Integer::sum);
      shown += cluster.outside.shown() > 0 ? 1 : 0;
      undecidable += cluster.isUndecidable() ? 1 : 0;
    }
    System.out.printf(
        "%s: %d worlds, backups ended %s, %d undecidable%n",
        getClass().getSimpleName(), count, backups, undecidable);
    assertTrue(shown > count / 2, "the guests hardly ever showed something: " + shown);
    for (FtState state : new FtState[] {FtState.ALONE, FtState.FOLLOWING, FtState.HALTED}) {
      assertTrue(
          backups.getOrDefault(state, 0) > count / 100, "hardly any " + state + ": " + backups);
    }
    assertTrue(undecidable < count / 20, "too many worlds are excused: " + undecidable);
  }

  @Test
  void thePromiseIsKept() {
    worlds(1, SEEDS);
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

  @Test
  @Tag("long")
  void thePromiseIsKeptInManyWorlds() {
    worlds(1_000_000, MANY_SEEDS);
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
