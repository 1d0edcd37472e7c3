package lockstep.replay.ft;

import java.util.Map;
import java.util.TreeMap;

/** What happened in many worlds: names, and in how many worlds each came true. */
final class SimTally {
  /** Spreads what a world leaves over all bits. */
  private static final long MIX = 0x9E3779B97F4A7C15L;

  private final Map<String, Long> counts = new TreeMap<>();

  /** A world that has ended well. */
  void add(SimCluster cluster) {
    SimWorld world = cluster.world;
    count("worlds", 1);
    count("turns of threads", world.turns());
    count("virtual milliseconds", world.now() / SimWorld.MS);
    count("console bytes shown", cluster.outside.shown());
    // Its place in the seed's numbers tells a world from one that went only a little differently.
    count("digest", ((world.random.nextLong() ^ world.seed) * MIX) >>> 32);
    countIf("end: backup is " + cluster.sides.get(1).state(), true);
    countIf("end: VM was ended by its guest or user", cluster.outside.over().isPresent());
    countIf("end: a side waits for a person's word", cluster.isUndecidable());
    countIf("end: VM goes on", cluster.sides.stream().anyMatch(SimSide::isTheVm));
    countIf("end: VM is gone with all that had it", isLost(cluster));
    countIf("guest showed something", cluster.outside.shown() > 0);
    countIf("a process died before its end", cluster.sides.stream().anyMatch(SimSide::wasKilled));
    cluster.transitions.forEach(each -> countIf("state: " + each, true));
    countIf("faults: none", cluster.faults.isEmpty());
    cluster.faults.forEach(each -> countIf("fault: " + each, true));
  }

  /** Every side that had all that was shown has died, rotted or was given up. */
  private static boolean isLost(SimCluster cluster) {
    return cluster.outside.over().isEmpty()
        && !cluster.isUndecidable()
        && cluster.sides.stream().noneMatch(SimSide::isTheVm);
  }

  private void countIf(String name, boolean is) {
    if (is) {
      count(name, 1);
    }
  }

  /** Adds to a number. */
  void count(String name, long by) {
    counts.merge(name, by, Long::sum);
  }

  /** In how many worlds that was so. */
  long of(String name) {
    return counts.getOrDefault(name, 0L);
  }

  /** All numbers by name. */
  Map<String, Long> counts() {
    return counts;
  }

  @Override
  public String toString() {
    StringBuilder lines = new StringBuilder();
    counts.forEach((name, count) -> lines.append("%14d  %s%n".formatted(count, name)));
    return lines.toString();
  }
}
