package lockstep.replay.ft;

import java.util.Optional;
import java.util.concurrent.Executor;

/** A thread of a simulated process: runs when the world says, may stall, may meet an Error. */
final class SimThread implements Executor {
  final String name;
  final SimProcess process;
  final Thread thread;

  /** What runs it on; empty while it waits for something. */
  private Optional<Runnable> continuation = Optional.empty();

  /** Whether its turn will come. */
  private boolean queued;

  private long stalledUntilNanos;
  private Optional<Error> error = Optional.empty();

  SimThread(String name, SimProcess process, Runnable work) {
    this.name = name;
    this.process = process;
    this.thread = SimThreads.of(this, name, () -> process.guarded(this, work));
  }

  /** It can run from here on; told by the JDK. */
  @Override
  public void execute(Runnable next) {
    continuation = Optional.of(next);
    if (process.runs(this)) {
      whenNotStalled();
    }
  }

  /** It can run, and so may its process. */
  void whenNotStalled() {
    SimWorld world = process.world;
    if (stalledUntilNanos > world.now()) {
      world.after(stalledUntilNanos - world.now(), this::execute);
    } else if (!queued) {
      queued = true;
      world.ready(this);
    }
  }

  /** It could run before, and its process did not. */
  void execute() {
    continuation.ifPresent(this::execute);
  }

  /** Runs until it waits. */
  void turn() {
    queued = false;
    if (continuation.isEmpty() || !process.runs(this)) {
      return;
    }
    if (stalledUntilNanos > process.world.now()) {
      whenNotStalled();
      return;
    }
    Runnable next = continuation.orElseThrow();
    continuation = Optional.empty();
    next.run();
  }

  /** It does nothing for so long: a page fault, a collection, a busy CPU. */
  void stall(long nanos) {
    stalledUntilNanos = Math.max(stalledUntilNanos, process.world.now() + nanos);
  }

  boolean isStalled() {
    return stalledUntilNanos > process.world.now();
  }

  /** It runs again. */
  void unstall() {
    if (isStalled()) {
      stalledUntilNanos = 0;
      execute();
    }
  }

  /** Its next call of the Scheduler throws. */
  void meet(Error next) {
    error = Optional.of(next);
  }

  /** Throws what it is to meet. */
  void throwIfDue() {
    if (error.isPresent()) {
      Error now = error.get();
      error = Optional.empty();
      process.world.trace("%s throws %s".formatted(this, now));
      throw now;
    }
  }

  @Override
  public String toString() {
    return process.name + "/" + name;
  }
}
