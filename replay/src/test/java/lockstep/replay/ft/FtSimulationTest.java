package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import lockstep.replay.ft.protocol.FtState;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The production node of three hosts in virtual time: session, gate, pump, log, state transfer,
 * planned failover, ends. Around them a world of crashes, stalls, cut networks, bad bytes, storage
 * that does not answer and users who change their minds. Whatever happens, {@link SimOutside} and
 * {@link SimCluster} find the promise kept.
 */
class FtSimulationTest {
  private static final int SEEDS = 2_000;
  private static final int MANY_SEEDS = 100_000;
  private static final int SEEDS_FOR_A_PLANT = 2_000;
  private static final int SEEDS_FOR_FAILOVERS = 200;
  private static final int SEEDS_FOR_STOPS = 100;
  private static final int SEEDS_RUN_TWICE = 5;
  private static final int EXITS = 150;
  private static final int BUSY_SEEDS = SEEDS / 2;

  private static SimCluster run(long seed, SimPlant plant, Consumer<SimCluster> faults) {
    return run(new SimWorld(seed), plant, faults);
  }

  private static SimCluster run(SimWorld world, SimPlant plant, Consumer<SimCluster> faults) {
    return SimCluster.run(world, each -> new SimCluster(each, plant), faults);
  }

  /** The worlds of this class, for a scan. */
  static final class Worlds implements SimScan.Worlds {
    @Override
    public SimCluster run(SimWorld world) {
      return FtSimulationTest.run(world, SimPlant.NOTHING, SimFaults::some);
    }
  }

  /** What became of many worlds. */
  private static final class Tally {
    private final Map<FtState, Integer> backups = new EnumMap<>(FtState.class);
    private final Set<String> transitions = new TreeSet<>();
    private int shown;

    void add(SimCluster cluster) {
      backups.merge(cluster.sides.get(1).state(), 1, Integer::sum);
      transitions.addAll(cluster.transitions);
      shown += cluster.outside.shown() > 0 ? 1 : 0;
    }
  }

  private static Tally runAll(long first, int seeds) {
    Tally tally = new Tally();
    for (long seed = first; seed < first + seeds; seed++) {
      tally.add(run(seed, SimPlant.NOTHING, SimFaults::some));
    }
    return tally;
  }

  /** And the table of docs/fault-tolerance.md, row by row, against what sessions really do. */
  @Test
  void thePromiseIsKeptAndTheDocumentNamesEveryTransition() throws Exception {
    Tally tally = runAll(1, SEEDS);
    assertTrue(tally.shown > BUSY_SEEDS, "the guests hardly ever showed something: " + tally.shown);
    // Takeovers, backups that went on following, and lost ones: otherwise nothing was tried.
    for (FtState state : new FtState[] {FtState.ALONE, FtState.FOLLOWING, FtState.HALTED}) {
      assertTrue(
          tally.backups.getOrDefault(state, 0) > SEEDS / 100,
          "hardly any " + state + ": " + tally.backups);
    }
    for (long seed = 1; seed <= SEEDS_FOR_STOPS; seed++) {
      tally.add(run(seed, SimPlant.NOTHING, FtSimulationTest::stopWhilePairing));
    }
    Pattern row = Pattern.compile("^\\| ([A-Z_]+) \\| ([A-Z_]+) \\| \\S.*");
    Set<String> written =
        Files.readAllLines(Path.of("..", "docs", "fault-tolerance.md")).stream()
            .map(row::matcher)
            .filter(Matcher::matches)
            .map(match -> match.group(1) + " " + match.group(2))
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> unwritten = new TreeSet<>(tally.transitions);
    unwritten.removeAll(written);
    // From any state, as the document says: a storage that refuses, a part that fails.
    unwritten.removeIf(transition -> transition.endsWith(" HALTED"));
    assertEquals(Set.of(), unwritten, "what happens and the document does not name");
    written.removeAll(tally.transitions);
    assertEquals(Set.of(), written, "what the document names and never happens");
  }

  @Test
  void aSeedGivesTheSameWorldAgain() {
    for (long seed = 1; seed <= SEEDS_RUN_TWICE; seed++) {
      SimCluster once = run(seed, SimPlant.NOTHING, SimFaults::some);
      SimCluster again = run(seed, SimPlant.NOTHING, SimFaults::some);
      assertEquals(once.world.report(), again.world.report(), "seed " + seed);
      assertEquals(once.world.turns(), again.world.turns(), "seed " + seed);
    }
  }

  @Test
  void aCrashAtEveryExitOfTheGuestLosesNothing() {
    for (int exit = 1; exit <= EXITS; exit++) {
      for (int victim = 0; victim < 2; victim++) {
        long at = exit;
        int number = victim;
        SimCluster cluster =
            run(
                exit,
                SimPlant.NOTHING,
                all -> {
                  all.lengthNanos = SimWorld.SECOND;
                  all.side(number).dieAtExit(at);
                });
        assertTrue(cluster.side(number).process.isDead(), "it should have died");
      }
    }
  }

  /** The primary is sound: it may be over only when the backup has really gone on. */
  @Test
  void aBackupThatDiesInAPlannedFailoverCostsNoVm() {
    Map<FtState, Integer> ends = new EnumMap<>(FtState.class);
    for (long seed = 1; seed <= SEEDS_FOR_FAILOVERS; seed++) {
      SimCluster cluster = run(seed, SimPlant.NOTHING, FtSimulationTest::failoverToTheDying);
      ends.merge(cluster.side(0).state(), 1, Integer::sum);
    }
    for (FtState state : new FtState[] {FtState.ALONE, FtState.ENDED}) {
      assertTrue(ends.getOrDefault(state, 0) > 0, "no " + state + ": " + ends);
    }
  }

  /** A VM that ends while its pair is being formed: worlds of chance hardly ever have one. */
  private static void stopWhilePairing(SimCluster cluster) {
    SimWorld world = cluster.world;
    int number = world.chance(0.5) ? 0 : 1;
    world.after(world.between(0, 100 * SimWorld.MS), () -> cluster.side(number).stop());
  }

  private static void failoverToTheDying(SimCluster cluster) {
    SimWorld world = cluster.world;
    cluster.lengthNanos = SimWorld.SECOND;
    long at = world.between(200 * SimWorld.MS, 600 * SimWorld.MS);
    world.after(at, () -> cluster.side(0).handOver(SimWorld.SECOND));
    world.after(
        at + world.between(-5 * SimWorld.MS, 40 * SimWorld.MS),
        () -> cluster.side(1).die(world.chance(0.5)));
  }

  /** Prints all that happens in one world: -Dsim.seed=N. */
  @Test
  @EnabledIfSystemProperty(named = "sim.seed", matches = "\\d+")
  void oneWorldIsShown() {
    SimWorld world = new SimWorld(Long.getLong("sim.seed", 0));
    world.traced = true;
    assertTrue(run(world, SimPlant.NOTHING, SimFaults::some).outside.shown() >= 0);
  }

  /** Other ones: -Dsim.first=SEED -Dsim.worlds=N; see {@link SimScan}. */
  @Test
  @Tag("long")
  void thePromiseIsKeptInManyWorlds() throws Exception {
    SimTally tally = SimScan.scan(Worlds.class, MANY_SEEDS);
    assertTrue(tally.of("worlds") > 0, "no worlds");
  }

  @Test
  void anUnreadConsoleLetsNothingOutAfterTheLease() {
    for (long seed = 1; seed <= SEEDS_FOR_FAILOVERS; seed++) {
      SimCluster unused = run(seed, SimPlant.NOTHING, SimFaults::anUnreadConsoleAndACut);
    }
  }

  @ParameterizedTest
  @EnumSource(value = SimPlant.class, mode = EnumSource.Mode.EXCLUDE, names = "NOTHING")
  void aPlantedBugIsFound(SimPlant plant) {
    assertThrows(
        AssertionError.class,
        () -> {
          for (long seed = 1; seed <= SEEDS_FOR_A_PLANT; seed++) {
            run(seed, plant, SimFaults::some);
            run(seed, plant, SimFaults::anUnreadConsoleAndACut);
          }
        },
        plant + " was not noticed in " + SEEDS_FOR_A_PLANT + " worlds");
  }
}
