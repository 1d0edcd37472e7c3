package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.EnumMap;
import java.util.Map;
import lockstep.replay.ft.FtSession.State;
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
  private static final long SETTLED = 12_000 * SimWorld.MS;
  private static final int SEEDS = 2_000;
  private static final int MANY_SEEDS = 100_000;

  /** What a run came to. */
  private record Outcome(
      State primary, State backup, boolean primaryDead, boolean backupDead, int shown) {}

  private static Outcome run(long seed, Plant plant) {
    return run(seed, plant, false);
  }

  private static Outcome run(long seed, Plant plant, boolean traced) {
    SimWorld world = new SimWorld(seed, plant);
    world.traced = traced;
    FtTimes times = FtTimes.of(200);
    SimHost primary = new SimHost("PRIMARY", FtSession.primary("sim", VM, times), times, world);
    SimHost backup = new SimHost("BACKUP", FtSession.backup(times), times, world);
    try {
      primary.connect(backup);
      int faults = world.random.nextInt(5);
      for (int i = 0; i < faults; i++) {
        fault(world, primary, backup);
      }
      world.runUntil(LENGTH);
      // Everything heals, but the dead stay dead.
      primary.wakeUp();
      backup.wakeUp();
      world.diskBackNanos = 0;
      world.networkBackNanos = 0;
      world.runUntil(SETTLED);
      check(primary, backup);
    } catch (AssertionError e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
    }
    return new Outcome(
        primary.session.state(), backup.session.state(), primary.dead, backup.dead, world.shown());
  }

  private static void fault(SimWorld world, SimHost primary, SimHost backup) {
    SimHost host = world.chance(0.6) ? primary : backup;
    long at = world.between(0, LENGTH);
    long length = world.between(0, 800 * SimWorld.MS);
    world.after(
        at,
        switch (world.random.nextInt(8)) {
          case 0 -> () -> host.die(false);
          case 1 -> () -> host.die(true);
          case 2 ->
              () -> {
                host.stop();
                world.after(length, host::wakeUp);
              };
          case 3 -> () -> world.networkBackNanos = world.now() + length;
          case 4 -> () -> world.diskBackNanos = world.now() + length;
          case 5 ->
              () -> {
                primary.cutChannel(false);
                backup.cutChannel(false);
              };
          case 6 -> () -> host.tell(new FtEvent.Detach());
          default -> primary::powerOff;
        });
  }

  private static void check(SimHost primary, SimHost backup) {
    boolean primaryIs = !primary.dead && primary.session.isTheVm();
    boolean backupIs = !backup.dead && backup.session.isTheVm();
    if (primaryIs && backupIs) {
      throw new AssertionError("both sides are the VM");
    }
    for (SimHost host : new SimHost[] {primary, backup}) {
      State state = host.session.state();
      if (!host.dead && (state == State.CLAIMING || state == State.TAKING_OVER)) {
        throw new AssertionError(host.name + " is " + state + " and stays so");
      }
      if (!host.dead && host.session.isTheVm() && host.outputsWaiting() > 50) {
        throw new AssertionError(host.name + " holds " + host.outputsWaiting() + " outputs");
      }
    }
    boolean over = primary.session.state() == State.ENDED || backup.session.state() == State.ENDED;
    boolean followed = backup.session.epoch() > 0 && backup.session.state() != State.WAITING;
    if (!primaryIs && !backupIs && !over && !backup.dead && followed && !primary.dead) {
      throw new AssertionError(
          "nobody is the VM: %s and %s".formatted(primary.session.state(), backup.session.state()));
    }
    if (primary.dead && !backup.dead && backup.session.state() == State.FOLLOWING) {
      throw new AssertionError("the backup follows the dead");
    }
  }

  private static Map<State, Integer> runAll(long first, int seeds) {
    Map<State, Integer> ends = new EnumMap<>(State.class);
    int shown = 0;
    for (long seed = first; seed < first + seeds; seed++) {
      Outcome outcome = run(seed, Plant.NOTHING);
      ends.merge(outcome.backup(), 1, Integer::sum);
      shown += outcome.shown() > 0 ? 1 : 0;
    }
    assertTrue(shown > seeds / 2, "the guests hardly ever showed something: " + shown);
    return ends;
  }

  @Test
  void onlyOneSideIsEverTheVmAndItsHistoryIsWhole() {
    Map<State, Integer> ends = runAll(1, SEEDS);
    // Takeovers, backups that went on following, and lost ones: otherwise nothing was tried.
    for (State state : new State[] {State.ALONE, State.FOLLOWING, State.HALTED}) {
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
