package lockstep.replay.ft;

import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

/**
 * Virtual time, chance, a network, a disk and the world outside, for two sides of a pair. What is
 * wrong is thrown as an AssertionError; the seed reproduces everything.
 */
final class SimWorld {
  static final long MS = TimeUnit.MILLISECONDS.toNanos(1);

  /** What can be broken on purpose, to see that the checks find it. */
  enum Plant {
    NOTHING,
    ACK_BEFORE_RECEIPT,
    OUTPUT_BEFORE_ACK,
    LIVE_WITHOUT_ARBITRATION,
    NO_LEASE,
    OLD_EPOCH_ACCEPTED,
    RELEASED_COUNTED_FROM_ANOTHER_LOG
  }

  private record Due(long nanos, long order, Runnable work) {}

  final Random random;
  final Plant plant;
  private final PriorityQueue<Due> agenda =
      new PriorityQueue<>(
          (a, b) ->
              a.nanos != b.nanos ? Long.compare(a.nanos, b.nanos) : Long.compare(a.order, b.order));
  private long now;
  private long order;

  /** What the world has seen of the guest's console, by position. */
  private final List<Integer> outside = new ArrayList<>();

  /** Which side showed something last. */
  private String speaker = "";

  /** The disk: the pair that has it, and who has claimed it for that pair. */
  private long epoch;

  private String claimedBy = "";

  /** The host that has won the last claim of all. */
  private String lastWinner = "";

  /** Until then every access to the disk takes long. */
  long diskSlowUntilNanos;

  /** Until then the disk gives no answers. */
  long diskBackNanos;

  /** Until then nothing passes between the hosts. */
  long networkBackNanos;

  /** Whether everything is printed. */
  boolean traced;

  /** What every session went through, as {@code FROM TO}. */
  final Set<String> transitions = new TreeSet<>();

  SimWorld(long seed, Plant plant) {
    this.random = new Random(seed);
    this.plant = plant;
  }

  /** Says what happened, for a failure's report. */
  void trace(String line) {
    if (traced) {
      System.out.printf("%10.3f ms  %s%n", now / 1e6, line);
    }
  }

  long now() {
    return now;
  }

  void after(long nanos, Runnable work) {
    agenda.add(new Due(now + Math.max(0, nanos), order++, work));
  }

  long between(long least, long most) {
    return least + (long) (random.nextDouble() * (most - least));
  }

  boolean chance(double probability) {
    return random.nextDouble() < probability;
  }

  void runUntil(long nanos) {
    while (!agenda.isEmpty() && agenda.element().nanos <= nanos) {
      Due due = agenda.remove();
      now = due.nanos;
      due.work.run();
    }
    now = nanos;
  }

  /**
   * A side shows a byte.
   *
   * @param position which byte of the console
   */
  void show(String side, long position, int value) {
    if (!side.equals(speaker) && !speaker.isEmpty() && !lastWinner.equals(side)) {
      throw new AssertionError(side + " shows something after " + speaker + " has, unclaimed");
    }
    if (position > outside.size()) {
      throw new AssertionError(
          "%s shows byte %d, and bytes from %d were never shown"
              .formatted(side, position, outside.size()));
    }
    if (position < outside.size()) {
      if (outside.get((int) position) != value) {
        throw new AssertionError("%s shows byte %d differently".formatted(side, position));
      }
      if (side.equals(speaker)) {
        throw new AssertionError("%s shows byte %d twice".formatted(side, position));
      }
    } else {
      speaker = side;
      outside.add(value);
    }
  }

  int shown() {
    return outside.size();
  }

  /** How long the disk takes this time. */
  long diskNanos() {
    return between(0, (now < diskSlowUntilNanos ? 1_500 : 20) * MS);
  }

  /** A side makes itself known to the disk; false when that refuses, or does not answer. */
  boolean enter(Claimant self) {
    if (now < diskBackNanos) {
      return false;
    }
    if (self.side() == Claimant.Side.BACKUP) {
      return self.epoch() == epoch;
    }
    if (self.epoch() < epoch) {
      return false;
    }
    if (self.epoch() > epoch) {
      epoch = self.epoch();
      claimedBy = "";
    }
    return true;
  }

  /**
   * The disk's test-and-set, reached or not; it may take effect though no answer comes.
   *
   * @param host who claims
   */
  Arbiter.Ruling claim(String host, Claimant self) {
    boolean over = self.epoch() != epoch && plant != Plant.OLD_EPOCH_ACCEPTED;
    boolean reached = now >= diskBackNanos || chance(0.5);
    if (reached && !over && claimedBy.isEmpty()) {
      claimedBy = host;
      lastWinner = host;
    }
    if (plant == Plant.LIVE_WITHOUT_ARBITRATION) {
      return new Arbiter.Ruling(Arbiter.Verdict.WON, "planted");
    }
    if (now < diskBackNanos || chance(0.05)) {
      return new Arbiter.Ruling(Arbiter.Verdict.UNKNOWN, "no answer");
    }
    return !over && claimedBy.equals(host)
        ? new Arbiter.Ruling(Arbiter.Verdict.WON, "first")
        : new Arbiter.Ruling(Arbiter.Verdict.LOST, over ? "old epoch" : "second");
  }

  /** Whether the disk is its own in the present epoch. */
  boolean hasWon(String host) {
    return claimedBy.equals(host);
  }
}
