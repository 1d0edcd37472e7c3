package lockstep.replay.ft;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import lockstep.monitor.state.Bytes;

/** A host of the simulation: the ways to others, and the Lockstep process that runs on it. */
final class SimHost {
  final String name;
  final int number;
  final SimCluster cluster;
  private final Map<SimHost, Long> blockedUntil = new HashMap<>();
  private final Map<SimHost, Long> noDatagramsUntil = new HashMap<>();
  private final Map<Integer, Bytes> cache = new HashMap<>();
  private Optional<SimSide> side = Optional.empty();
  private int started;
  private long storageBackNanos;
  private boolean powerless;

  SimHost(String name, int number, SimCluster cluster) {
    this.name = name;
    this.number = number;
    this.cluster = cluster;
  }

  /** The process that runs here, or did last. */
  Optional<SimSide> side() {
    return side;
  }

  /** A process begins here; its name tells it from earlier ones. */
  String begin() {
    powerless = false;
    return started++ == 0 ? name : name + started;
  }

  void runs(SimSide now) {
    side = Optional.of(now);
  }

  /** The network of the process that runs here. */
  Optional<SimNetwork> network() {
    return side.filter(now -> !now.process.isDead()).map(now -> now.network);
  }

  /** Nothing of it answers, not even its kernel. */
  boolean isSilent() {
    return powerless;
  }

  void losePower() {
    powerless = true;
    cache.clear();
  }

  // The ways to others, each its own.

  void block(SimHost to, long untilNanos) {
    blockedUntil.merge(to, untilNanos, Math::max);
  }

  long blockedUntilNanos(SimHost to) {
    return blockedUntil.getOrDefault(to, 0L);
  }

  boolean reaches(SimHost other) {
    return blockedUntilNanos(other) <= cluster.world.now();
  }

  void dropDatagrams(SimHost to, long untilNanos) {
    noDatagramsUntil.merge(to, untilNanos, Math::max);
  }

  boolean dropsDatagrams(SimHost to) {
    return !reaches(to) || noDatagramsUntil.getOrDefault(to, 0L) > cluster.world.now();
  }

  // What its kernel remembers of the disk, in a world where it does.

  Optional<Bytes> cached(int block) {
    return Optional.ofNullable(cache.get(block));
  }

  /** Remembers a block and writes it back later, if it still has its power then. */
  void cache(int block, Bytes content, Runnable writeBack) {
    cache.put(block, content);
    cluster.world.after(
        cluster.world.between(0, SimWorld.SECOND),
        () -> {
          if (!powerless && content.equals(cache.get(block))) {
            cache.remove(block);
            writeBack.run();
          }
        });
  }

  // The way to the storage.

  void loseStorage(long untilNanos) {
    storageBackNanos = Math.max(storageBackNanos, untilNanos);
  }

  long storageBackNanos() {
    return storageBackNanos;
  }

  /** All its cables are whole again. */
  void heal() {
    blockedUntil.clear();
    noDatagramsUntil.clear();
    storageBackNanos = 0;
  }
}
