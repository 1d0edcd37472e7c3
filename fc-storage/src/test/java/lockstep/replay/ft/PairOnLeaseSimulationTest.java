package lockstep.replay.ft;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Pairs over the real lease of an image: production node, production lease with its heartbeats, and
 * a share that vanishes, fills up and forgets what was not synced.
 */
class PairOnLeaseSimulationTest extends PairOnStorage<SimShare.Plant> {
  /** The worlds of this class, for a scan. */
  static final class Worlds implements SimScan.Worlds {
    @Override
    public SimCluster run(SimWorld world) {
      return PairOnStorage.run(world, cluster -> new SimShare(cluster, SimShare.Plant.NOTHING));
    }
  }

  PairOnLeaseSimulationTest() {
    super(SimShare::new, SimShare.Plant.NOTHING, Worlds.class);
  }

  @ParameterizedTest
  @EnumSource(value = SimShare.Plant.class, mode = EnumSource.Mode.EXCLUDE, names = "NOTHING")
  void aPlantedBugIsFound(SimShare.Plant plant) {
    isFound(plant);
  }
}
