package lockstep.replay.ft;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Pairs over the real lease of an image: production node, production lease with its heartbeats, and
 * a share that vanishes, fills up and forgets what was not synced.
 */
class PairOnLeaseSimulationTest extends PairOnStorage<SimShare.Plant> {
  PairOnLeaseSimulationTest() {
    super(SimShare::new, SimShare.Plant.NOTHING);
  }

  @ParameterizedTest
  @EnumSource(value = SimShare.Plant.class, mode = EnumSource.Mode.EXCLUDE, names = "NOTHING")
  void aPlantedBugIsFound(SimShare.Plant plant) {
    isFound(plant);
  }
}
