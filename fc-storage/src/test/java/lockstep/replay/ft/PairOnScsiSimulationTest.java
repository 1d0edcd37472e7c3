package lockstep.replay.ft;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Pairs over the real arbiter of SCSI units: production node, production arbiter with its beats,
 * and a unit that forgets, drops keys and answers late.
 */
class PairOnScsiSimulationTest extends PairOnStorage<SimUnit.Plant> {
  /** The worlds of this class, for a scan. */
  static final class Worlds implements SimScan.Worlds {
    @Override
    public SimCluster run(SimWorld world) {
      return PairOnStorage.run(world, cluster -> new SimUnit(cluster, SimUnit.Plant.NOTHING));
    }
  }

  PairOnScsiSimulationTest() {
    super(SimUnit::new, SimUnit.Plant.NOTHING, Worlds.class);
  }

  @ParameterizedTest
  @EnumSource(value = SimUnit.Plant.class, mode = EnumSource.Mode.EXCLUDE, names = "NOTHING")
  void aPlantedBugIsFound(SimUnit.Plant plant) {
    isFound(plant);
  }
}
