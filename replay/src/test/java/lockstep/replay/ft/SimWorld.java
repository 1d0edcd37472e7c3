package lockstep.replay.ft;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Virtual time, chance, and the order in which the threads of all hosts run: one at a time, chosen
 * by the seed. Time passes a little at every turn, and jumps when no thread can run. What is wrong
 * is thrown as an AssertionError; the seed reproduces everything.
 *
 * <p>One thread of the JVM: whatever wakes a simulated thread from another one is an error, since
 * no seed would reproduce it.
 */
final class SimWorld {
  static final long MS = TimeUnit.MILLISECONDS.toNanos(1);
  static final long SECOND = TimeUnit.SECONDS.toNanos(1);

  /** What a turn takes at most: a few system calls' worth. */
  private static final long TURN_NANOS = 2_000;

  /** Lines of a world's trace that a failure shows. */
  private static final int TRACED = 400;

  /** A line of the trace, put together when somebody reads it. */
  private record Line(long nanos, String what) {
    @Override
    public String toString() {
      return "%10.3f ms  %s".formatted(nanos / 1e6, what);
    }
  }

  final long seed;
  final Random random;
  private final Thread carrier = Thread.currentThread();
  private final SimAgenda agenda = new SimAgenda();
  private final List<SimThread> ready = new ArrayList<>();
  private final ArrayDeque<Line> lines = new ArrayDeque<>();
  private Optional<AssertionError> failure = Optional.empty();
  private Optional<SimThread> running = Optional.empty();
  private long now;
  private long turns;

  /** How far the present run goes. */
  private long untilNanos;

  /** Whether everything is printed. */
  boolean traced;

  SimWorld(long seed) {
    this.seed = seed;
    this.random = new SimRandom(seed);
  }

  /** Says what happened, for a failure's report. */
  void trace(String what) {
    Line line = new Line(now, what);
    if (traced) {
      System.out.println(line);
    }
    if (lines.size() == TRACED) {
      lines.remove();
    }
    lines.add(line);
  }

  /** The last lines of the trace. */
  String report() {
    return lines.stream().map(Line::toString).collect(Collectors.joining("\n"));
  }

  /** The world is wrong. The first time counts; the run ends with it. */
  void fail(String what) {
    if (failure.isEmpty()) {
      trace("WRONG: " + what);
      failure = Optional.of(new AssertionError(what));
    }
  }

  /** True time, ns. */
  long now() {
    return now;
  }

  /** How many turns threads have had. */
  long turns() {
    return turns;
  }

  SimAgenda.Due after(long nanos, Runnable work) {
    return agenda.add(now + Math.max(0, nanos), work);
  }

  long between(long least, long most) {
    return least + (long) (random.nextDouble() * (most - least));
  }

  boolean chance(double probability) {
    return random.nextDouble() < probability;
  }

  /** A thread can run. */
  void ready(SimThread thread) {
    if (Thread.currentThread() != carrier && !Thread.currentThread().isVirtual()) {
      throw new IllegalStateException(thread + " is woken from outside of the simulation");
    }
    ready.add(thread);
  }

  /** The thread whose turn it is; empty outside of all. */
  Optional<SimThread> running() {
    return running;
  }

  /**
   * Ends the running thread's turn and begins its next one, at a time or at once, if it is certain
   * that nothing else happens before: as {@link #runUntil} would, number for number of the seed.
   */
  boolean skipTo(long nanos) {
    long latest = Math.max(nanos, now + TURN_NANOS);
    if (!ready.isEmpty()
        || failure.isPresent()
        || latest >= untilNanos
        || latest >= agenda.nextNanos()) {
      return false;
    }
    endTurn();
    now = Math.max(now, nanos);
    int unused = random.nextInt(1);
    return true;
  }

  /** Lets everything happen that is due until then. */
  void runUntil(long nanos) {
    untilNanos = nanos;
    while (now < nanos) {
      fireDue();
      if (!ready.isEmpty()) {
        turn();
      } else {
        now = Math.min(nanos, Math.max(now, agenda.nextNanos()));
      }
      if (failure.isPresent()) {
        throw failure.get();
      }
    }
  }

  private void fireDue() {
    while (agenda.nextNanos() <= now) {
      agenda.runNext();
    }
  }

  private void turn() {
    int last = ready.size() - 1;
    int chosen = random.nextInt(ready.size());
    SimThread next = ready.get(chosen);
    ready.set(chosen, ready.get(last));
    ready.remove(last);
    running = Optional.of(next);
    next.turn();
    running = Optional.empty();
    endTurn();
  }

  private void endTurn() {
    turns++;
    now += 1 + random.nextInt((int) TURN_NANOS);
  }
}
