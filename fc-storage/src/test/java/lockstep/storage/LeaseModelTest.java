package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import lockstep.storage.LeaseWorld.Plant;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The real {@link FileLease} on three hosts over a simulated share, by chance. A failure prints its
 * seed and all that happened.
 */
class LeaseModelTest {
  private static final int WORLDS = 2_000;
  private static final int MANY_WORLDS = 200_000;
  private static final int ACTIONS = 40;

  @Test
  void neverTwoWinnersNorTwoWritersNorALossWithoutAWinner() {
    run(1, WORLDS);
  }

  @Test
  @Tag("long")
  void neverTwoWinnersInManyWorlds() {
    run(1_000_000, MANY_WORLDS);
  }

  private static void run(long firstSeed, int worlds) {
    int won = 0;
    int lost = 0;
    int unknown = 0;
    int takeovers = 0;
    for (int i = 0; i < worlds; i++) {
      LeaseWorld.Sums sums = new LeaseWorld(firstSeed + i, Plant.NONE).run(ACTIONS);
      won += sums.won();
      lost += sums.lost();
      unknown += sums.unknown();
      takeovers += sums.takeovers();
    }
    System.out.printf(
        "LeaseModelTest: %d worlds, %d claims won, %d lost, %d unknown, %d takeovers%n",
        worlds, won, lost, unknown, takeovers);
    assertTrue(
        won > worlds / 2 && lost > worlds / 20 && takeovers > worlds / 20,
        "hardly anything happened");
  }

  @ParameterizedTest
  @EnumSource(
      value = Plant.class,
      names = {"NONE"},
      mode = EnumSource.Mode.EXCLUDE)
  void plantedFaultIsFound(Plant plant) {
    assertThrows(
        AssertionError.class,
        () -> {
          for (int seed = 1; seed <= WORLDS; seed++) {
            var unused = new LeaseWorld(seed, plant).run(ACTIONS);
          }
        });
  }
}
