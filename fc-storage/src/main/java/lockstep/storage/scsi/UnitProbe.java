package lockstep.storage.scsi;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import lockstep.monitor.state.Bytes;
import lockstep.storage.scsi.PersistentReserve.Out;

/**
 * Tries out what a unit guarantees, by what a pair would do: one nexus reserves it and writes,
 * another preempts it. What is written is what was there; afterwards nobody is registered. A unit
 * on which anybody is registered is left alone.
 */
public final class UnitProbe {
  /** Writes in flight at the moment of preemption. */
  public static final int WRITERS = 8;

  private static final int WARM_UP_WRITES = 50;
  private static final int RETRIES = 200;
  private static final int SECONDS = 30;

  /** How something went. */
  public enum Tried {
    /** As it should. */
    YES,
    /** Not so. */
    NO,
    /** It could not be tried. */
    NOT_TRIED
  }

  /**
   * What was found out.
   *
   * @param persistent registrations can outlast a loss of power (APTPL)
   * @param fencesStrangers writes of a nexus without registration are refused
   * @param preempts a second nexus can take the reservation over
   * @param fencesLosers writes of the nexus that lost are refused
   * @param resets LOGICAL UNIT RESET is answered
   * @param before writes accepted while the first nexus had the unit
   * @param after writes that began after its loss and were accepted
   * @param late writes in flight at its loss that were accepted after the reset
   */
  public record Guarantees(
      boolean persistent,
      Tried fencesStrangers,
      Tried preempts,
      Tried fencesLosers,
      Tried resets,
      int before,
      int after,
      int late) {}

  private record Written(int before, int after, int late, boolean refused) {}

  private final ScsiTransport one;
  private final Reservations first;
  private final UnitFacts facts;
  private final int timeoutMillis;
  private final long key = randomKey();

  // When the first nexus has lost, and when nothing of it can come any more; 0 for not yet.
  private volatile long lostNanos;
  private volatile long resetNanos;

  private UnitProbe(ScsiTransport one, UnitFacts facts, int timeoutMillis) {
    this.one = one;
    this.first = of(one, timeoutMillis);
    this.facts = facts;
    this.timeoutMillis = timeoutMillis;
  }

  private static Reservations of(ScsiTransport unit, int timeoutMillis) {
    return new Reservations(unit, PersistentReserve.Type.WRITE_EXCLUSIVE, timeoutMillis);
  }

  /** Not one of a {@link ScsiKey}: who reads it learns that no VM has the disk. */
  private static long randomKey() {
    return new SecureRandom().nextLong() >>> 8 | 1;
  }

  /**
   * Tries a unit.
   *
   * @param other a second nexus to the same unit, if there can be one
   * @param timeoutMillis for each command
   * @throws IOException when somebody has the unit, or it gives no answer; one line
   */
  public static Guarantees of(
      ScsiTransport one, Optional<ScsiTransport> other, UnitFacts facts, int timeoutMillis)
      throws IOException {
    UnitProbe probe = new UnitProbe(one, facts, timeoutMillis);
    probe.refuseTaken();
    boolean persistent =
        probe.first.capabilities().map(PersistentReserve.Capabilities::persistent).orElse(false);
    try {
      probe.reserve();
      return other.isEmpty()
          ? new Guarantees(
              persistent,
              Tried.NOT_TRIED,
              Tried.NOT_TRIED,
              Tried.NOT_TRIED,
              tried(probe.resets(one)),
              0,
              0,
              0)
          : probe.withTwo(other.get(), persistent);
    } finally {
      probe.clear();
    }
  }

  private void refuseTaken() throws IOException {
    List<Long> keys = first.keys().keys();
    if (!keys.isEmpty() || first.reservation().isPresent()) {
      throw new IOException(
          "disk %s is in use: %s; a probe would disturb it"
              .formatted(
                  one.name(),
                  keys.isEmpty()
                      ? "it is reserved"
                      : ScsiKey.registrant(keys.getFirst()) + " is registered"));
    }
  }

  private void reserve() throws IOException {
    if (!first.change(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, key, false)
        || !first.change(Out.RESERVE, key, 0, false)) {
      throw new IOException("disk %s was taken by another host meanwhile".formatted(one.name()));
    }
  }

  private void clear() throws IOException {
    // Whoever of the two is registered last may clear; a stranger may not.
    if (first.change(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, key, false)) {
      first.change(Out.CLEAR, key, 0, false);
    }
  }

  private Guarantees withTwo(ScsiTransport two, boolean persistent) throws IOException {
    Reservations second = of(two, timeoutMillis);
    // Before anything is written through it.
    if (!second.reservation().map(now -> now.key() == key).orElse(false)) {
      throw new IOException("%s is not the same disk as %s".formatted(two.name(), one.name()));
    }
    if (facts.geometry().readOnly()) {
      boolean took = preempt(second);
      return new Guarantees(
          persistent, Tried.NOT_TRIED, tried(took), Tried.NOT_TRIED, tried(resets(two)), 0, 0, 0);
    }
    Bytes content = content();
    Tried strangers = tried(write(two, content).conflict());
    // Platform threads: the calls below block in native code.
    try (ExecutorService writers = Executors.newFixedThreadPool(WRITERS)) {
      List<Future<Written>> running = new ArrayList<>();
      for (int i = 0; i < WRITERS; i++) {
        running.add(writers.submit(() -> writeUntilRefused(content)));
      }
      boolean took;
      boolean reset;
      try {
        warmUp(running);
        took = preempt(second);
        lostNanos = System.nanoTime();
        reset = resets(two);
      } finally {
        lostNanos = lostNanos == 0 ? System.nanoTime() : lostNanos;
        resetNanos = System.nanoTime();
      }
      Written all = sum(running);
      return new Guarantees(
          persistent,
          strangers,
          tried(took),
          tried(all.refused() && all.after() == 0),
          tried(reset),
          all.before(),
          all.after(),
          all.late());
    }
  }

  private static Tried tried(boolean good) {
    return good ? Tried.YES : Tried.NO;
  }

  private static Written sum(List<Future<Written>> running) throws IOException {
    Written sum = new Written(0, 0, 0, true);
    for (Future<Written> each : running) {
      try {
        Written one = each.get(SECONDS, TimeUnit.SECONDS);
        sum =
            new Written(
                sum.before() + one.before(),
                sum.after() + one.after(),
                sum.late() + one.late(),
                sum.refused() && one.refused());
      } catch (ExecutionException e) {
        throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
      } catch (TimeoutException e) {
        throw new IOException("a write does not end", e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted");
      }
    }
    return sum;
  }

  /** Lets the writers get going. */
  private static void warmUp(List<Future<Written>> running) throws IOException {
    try {
      for (int i = 0; i < WARM_UP_WRITES && running.stream().noneMatch(Future::isDone); i++) {
        Thread.sleep(2);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    }
  }

  /** What the last block holds; nobody else may write it now. */
  private Bytes content() throws IOException {
    return new ScsiCalls(one, timeoutMillis)
        .data(
            "READ",
            BlockCommands.transfer(false, false, lastBlock(), 1),
            facts.geometry().blockBytes());
  }

  private long lastBlock() {
    return facts.geometry().capacityBytes() / facts.geometry().blockBytes() - 1;
  }

  private ScsiReply write(ScsiTransport unit, Bytes content) throws IOException {
    ScsiReply reply = writeOnce(unit, content);
    for (int i = 0; i < RETRIES && reply.attention(); i++) {
      reply = writeOnce(unit, content);
    }
    return reply;
  }

  private ScsiReply writeOnce(ScsiTransport unit, Bytes content) throws IOException {
    return unit.execute(
        BlockCommands.transfer(true, false, lastBlock(), 1), content, 0, timeoutMillis);
  }

  /** A writer of the first nexus, which goes on until it is refused after its loss. */
  private Written writeUntilRefused(Bytes content) throws IOException {
    int before = 0;
    int after = 0;
    int late = 0;
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS / 2);
    while (System.nanoTime() < until) {
      long sent = System.nanoTime();
      boolean afterLoss = lostNanos != 0 && sent > lostNanos;
      ScsiReply reply;
      try {
        reply = writeOnce(one, content);
      } catch (IOException e) {
        // Ended by the reset without an answer.
        continue;
      }
      if (reply.conflict()) {
        if (afterLoss) {
          return new Written(before, after, late, true);
        }
      } else if (reply.good()) {
        if (afterLoss) {
          after++;
        } else if (resetNanos != 0) {
          late++;
        } else {
          before++;
        }
      }
      if (afterLoss && after > WRITERS) {
        return new Written(before, after, late, false);
      }
    }
    return new Written(before, after, late, false);
  }

  private boolean preempt(Reservations second) throws IOException {
    long other = randomKey();
    second.change(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, other, false);
    boolean done = second.change(Out.PREEMPT, other, key, false);
    return done && second.reservation().map(now -> now.key() == other).orElse(false);
  }

  private boolean resets(ScsiTransport by) {
    try {
      by.resetUnit(timeoutMillis);
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
