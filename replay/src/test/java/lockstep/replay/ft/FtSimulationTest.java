package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import lockstep.replay.ft.SimWorld.Plant;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The session, gate, codec and log of a pair, unchanged, in a world of crashes, stops, cut and
 * stalled networks, drifting clocks and a disk that does not answer. Whatever happens: at most one
 * side is the VM, and what the world sees is what one machine would have shown.
 */
class FtSimulationTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final long LENGTH = 3_000 * SimWorld.MS;
  private static final long SETTLED = 25_000 * SimWorld.MS;
  private static final int SEEDS = 2_000;
  private static final int MANY_SEEDS = 100_000;
  private static final int SEEDS_FOR_EVERY_TRANSITION = 1_000;
  private static final int ENTRIES = 120;
  private static final int SEEDS_PER_ENTRY = 1;

  /** What a run came to. */
  private record Outcome(FtState primary, FtState backup, FtState spare, int shown, long epoch) {}

  private static Outcome run(long seed, Plant plant) {
    return run(seed, plant, false);
  }

  private static Outcome run(long seed, Plant plant, boolean traced) {
    SimWorld world = new SimWorld(seed, plant);
    world.traced = traced;
    return run(seed, world);
  }

  private static Outcome run(long seed, SimWorld world) {
    Trio trio = new Trio(world);
    try {
      trio.primary.connect(trio.backup);
      int faults = world.random.nextInt(5);
      for (int i = 0; i < faults; i++) {
        fault(world, trio);
      }
      if (world.chance(0.5)) {
        trio.lookForBackups();
      }
      return trio.toTheEnd();
    } catch (AssertionError e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
    }
  }

  /** The table of docs/fault-tolerance.md, row by row, against what sessions really do. */
  @Test
  void theDocumentNamesEveryTransitionThatHappensAndNoOther() throws Exception {
    Set<String> happened = new TreeSet<>();
    for (long seed = 0; seed < SEEDS_FOR_EVERY_TRANSITION; seed++) {
      SimWorld world = new SimWorld(seed, Plant.NOTHING);
      run(seed, world);
      happened.addAll(world.transitions);
    }
    Pattern row = Pattern.compile("^\\| ([A-Z_]+) \\| ([A-Z_]+) \\| \\S.*");
    Set<String> written =
        Files.readAllLines(Path.of("..", "docs", "fault-tolerance.md")).stream()
            .map(row::matcher)
            .filter(Matcher::matches)
            .map(match -> match.group(1) + " " + match.group(2))
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(String.join("\n", written), String.join("\n", happened));
  }

  /** A primary, its backup, and a host that waits in case. */
  private static final class Trio {
    final SimWorld world;
    final SimHost primary;
    final SimHost backup;
    final SimHost spare;
    final List<SimHost> all;

    Trio(SimWorld world) {
      this.world = world;
      FtTimes times = FtTimes.of(200);
      primary = new SimHost("PRIMARY", FtSession.primary("sim", VM, times), times, world);
      backup = new SimHost("BACKUP", FtSession.backup(times), times, world);
      spare = new SimHost("SPARE", FtSession.backup(times), times, world);
      all = List.of(primary, backup, spare);
    }

    /** As {@code --spares} does: a VM that lost the other side asks whoever waits. */
    void lookForBackups() {
      world.after(
          world.between(50 * SimWorld.MS, 400 * SimWorld.MS),
          () -> {
            SimHost vm = all.get(world.random.nextInt(all.size()));
            SimHost with = all.get(world.random.nextInt(all.size()));
            if (vm != with && vm.session.epoch() > 0) {
              vm.connect(with);
            }
            if (world.now() < LENGTH) {
              lookForBackups();
            }
          });
    }

    Outcome toTheEnd() {
      world.runUntil(LENGTH);
      // Everything heals, but the dead stay dead.
      all.forEach(SimHost::wakeUp);
      world.diskBackNanos = 0;
      world.networkBackNanos = 0;
      world.diskSlowUntilNanos = 0;
      world.runUntil(SETTLED);
      check(this);
      return new Outcome(
          primary.session.state(),
          backup.session.state(),
          spare.session.state(),
          world.shown(),
          Math.max(primary.session.epoch(), backup.session.epoch()));
    }
  }

  private static void fault(SimWorld world, Trio trio) {
    SimHost host = world.chance(0.5) ? trio.primary : world.chance(0.7) ? trio.backup : trio.spare;
    long at = world.between(0, LENGTH);
    long length = world.between(0, 800 * SimWorld.MS);
    world.after(
        at,
        switch (world.random.nextInt(11)) {
          case 0 -> () -> host.die(false);
          case 1 -> () -> host.die(true);
          case 2 ->
              () -> {
                host.stop();
                world.after(length, host::wakeUp);
              };
          case 3 -> () -> world.networkBackNanos = world.now() + length;
          case 4 -> () -> world.diskBackNanos = world.now() + length;
          case 5 -> () -> host.cutChannel(false);
          case 6 -> host::detach;
          case 7 -> () -> host.mute(length);
          case 8 -> () -> world.diskSlowUntilNanos = world.now() + length;
          case 9 -> host::handOver;
          default -> host::powerOff;
        });
  }

  private static void check(Trio trio) {
    List<SimHost> living = trio.all.stream().filter(host -> !host.dead).toList();
    List<SimHost> vms = living.stream().filter(host -> host.session.isTheVm()).toList();
    if (vms.size() > 1) {
      throw new AssertionError("more than one side is the VM");
    }
    for (SimHost host : living) {
      FtState state = host.session.state();
      if (state == FtState.CLAIMING || state == FtState.TAKING_OVER || state == FtState.PAIRING) {
        throw new AssertionError(host.name + " is " + state + " and stays so");
      }
      if (host.session.isTheVm() && host.outputsWaiting() > 50) {
        throw new AssertionError(host.name + " holds " + host.outputsWaiting() + " outputs");
      }
      if (host.followsTheDead()) {
        throw new AssertionError(host.name + " follows the dead");
      }
    }
    boolean over = living.stream().anyMatch(host -> host.session.state() == FtState.ENDED);
    boolean given = living.stream().anyMatch(SimHost::isGivenUp);
    if (vms.isEmpty() && !over && !given && living.size() == trio.all.size()) {
      throw new AssertionError("nobody is the VM, and nobody died");
    }
  }

  private static Map<FtState, Integer> runAll(long first, int seeds) {
    Map<FtState, Integer> ends = new EnumMap<>(FtState.class);
    int shown = 0;
    int later = 0;
    for (long seed = first; seed < first + seeds; seed++) {
      Outcome outcome = run(seed, Plant.NOTHING);
      ends.merge(outcome.backup(), 1, Integer::sum);
      later += outcome.epoch() > 1 ? 1 : 0;
      shown += outcome.shown() > 0 ? 1 : 0;
    }
    assertTrue(shown > seeds / 2, "the guests hardly ever showed something: " + shown);
    assertTrue(later > seeds / 20, "hardly ever was there a second pair: " + later);
    return ends;
  }

  @Test
  void onlyOneSideIsEverTheVmAndItsHistoryIsWhole() {
    Map<FtState, Integer> ends = runAll(1, SEEDS);
    // Takeovers, backups that went on following, and lost ones: otherwise nothing was tried.
    for (FtState state : new FtState[] {FtState.ALONE, FtState.FOLLOWING, FtState.HALTED}) {
      assertTrue(ends.getOrDefault(state, 0) > SEEDS / 100, "hardly any " + state + ": " + ends);
    }
  }

  @Test
  void aCrashAtEveryEntryOfTheLogLosesNothing() {
    for (int entry = 0; entry < ENTRIES; entry++) {
      for (boolean ofPrimary : new boolean[] {true, false}) {
        for (long seed = 1; seed <= SEEDS_PER_ENTRY; seed++) {
          Trio trio = new Trio(new SimWorld(seed, Plant.NOTHING));
          SimHost victim = ofPrimary ? trio.primary : trio.backup;
          SimHost survivor = ofPrimary ? trio.backup : trio.primary;
          victim.guest.diesAt = entry;
          try {
            trio.primary.connect(trio.backup);
            Outcome outcome = trio.toTheEnd();
            assertTrue(victim.dead, "it should have died");
            // A backup that had not begun to follow knows of no VM.
            FtState state = survivor.session.state();
            assertTrue(
                state == FtState.ALONE || (ofPrimary && entry < 60 && state == FtState.WAITING),
                () -> "the survivor is " + state);
            assertTrue(
                outcome.shown() > 50 || state == FtState.WAITING, "hardly anything was shown");
          } catch (AssertionError e) {
            throw new AssertionError(
                "entry %d, %s, seed %d: %s".formatted(entry, victim.name, seed, e.getMessage()), e);
          }
        }
      }
    }
  }

  /** The primary is sound: it may be over only when the backup has really gone on. */
  @Test
  void aBackupThatDiesInAPlannedFailoverCostsNoVm() {
    Map<FtState, Integer> ends = new EnumMap<>(FtState.class);
    for (long seed = 1; seed <= SEEDS; seed++) {
      Trio trio = new Trio(new SimWorld(seed, Plant.NOTHING));
      SimWorld world = trio.world;
      trio.primary.connect(trio.backup);
      long at = LENGTH / 2;
      world.after(at, trio.primary::handOver);
      world.after(
          at + world.between(-5 * SimWorld.MS, 40 * SimWorld.MS),
          () -> trio.backup.die(world.chance(0.5)));
      try {
        FtState primary = trio.toTheEnd().primary();
        FtState backup = trio.backup.session.state();
        ends.merge(primary, 1, Integer::sum);
        assertTrue(
            primary == FtState.ALONE
                || (primary == FtState.ENDED
                    && (trio.backup.session.isTheVm()
                        || backup == FtState.TAKING_OVER
                        || (backup == FtState.CLAIMING && world.hasWon("BACKUP")))),
            "the primary is %s, the backup died as %s".formatted(primary, backup));
      } catch (AssertionError e) {
        throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
      }
    }
    for (FtState state : new FtState[] {FtState.ALONE, FtState.ENDED}) {
      assertTrue(ends.getOrDefault(state, 0) > SEEDS / 100, "hardly any " + state + ": " + ends);
    }
  }

  /** Prints all that happens in one world: -Dsim.seed=N. */
  @Test
  @EnabledIfSystemProperty(named = "sim.seed", matches = "\\d+")
  void oneWorldIsShown() {
    assertTrue(run(Long.getLong("sim.seed", 0), Plant.NOTHING, true).shown() >= 0);
  }

  @Test
  @Tag("long")
  void onlyOneSideIsEverTheVmInAHundredThousandWorlds() {
    System.out.println("FtSimulationTest: backups ended " + runAll(1_000_000, MANY_SEEDS));
  }

  @ParameterizedTest
  @EnumSource(value = Plant.class, mode = EnumSource.Mode.EXCLUDE, names = "NOTHING")
  void aPlantedBugIsFound(Plant plant) {
    assertThrows(
        AssertionError.class,
        () -> {
          for (long seed = 1; seed <= SEEDS; seed++) {
            run(seed, plant);
          }
        },
        plant + " was not noticed in " + SEEDS + " worlds");
  }
}
