package lockstep.replay.ft.vcpu;

import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import lockstep.monitor.Machine;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.vcpu.RunResult;

/**
 * All that other threads may ask of the thread that runs a machine: run, pause, resume, task, stop,
 * halt; as one state machine for every kind of run (docs/adr/0005-vcpu-commands.md). Only a stop is
 * an input of the guest, and so an entry of a log: it is final. A task stops the machine for a
 * while between two instructions, and no log knows of it.
 *
 * <p>Commands: any thread. {@link #order}, {@link #runTasks}, {@link #run} and {@link #leave}: the
 * vCPU thread.
 */
public final class VcpuCommands {
  /** What holds for the machine; a table of the transitions is in the decision record. */
  public enum State {
    /** No machine can be asked: there is none yet or none more, or it follows a primary. */
    NOT_LIVE,
    /** The guest runs. */
    RUNS,
    /** The guest is held; tasks are done all the same. */
    PAUSED,
    /** The guest ends at the next execution point; final but for a halt. */
    STOPS,
    /** The guest makes no instruction more, wherever it is; final. */
    HALTS
  }

  /** What the machine does at a stop. */
  enum Order {
    /** What its inputs say. */
    RUN,
    /** Nothing, for a while. */
    WAIT,
    /** It leaves its run: there is something to be done between two runs. */
    LEAVE
  }

  /** Something that is done with a machine while it stands, on its thread. */
  @FunctionalInterface
  public interface Inspection {
    /**
     * Must leave the machine as it is.
     *
     * @return how the guest ended itself in finishing its last instruction, as {@link Machine#save}
     */
    Optional<RunResult> run() throws Exception;
  }

  /** A task, and what becomes of it when it cannot be done. */
  private record Task(Work work, Runnable cancel) {
    private interface Work {
      Optional<RunResult> run() throws Exception;
    }
  }

  /** Stops of the machine so far; written by the vCPU thread alone. */
  private final AtomicLong stops = new AtomicLong();

  private volatile boolean inRun;

  /** What the vCPU thread does now has a limit of its own, or is its asker's matter. */
  private volatile boolean excused;

  private final InputQueue queue;
  private final ConcurrentLinkedQueue<Task> tasks = new ConcurrentLinkedQueue<>();
  private boolean paused;
  private boolean stopping;
  private Optional<String> halted = Optional.empty();
  private volatile boolean live;
  private volatile State state = State.NOT_LIVE;

  /**
   * Nothing was asked yet.
   *
   * @param queue takes the decision to stop, and wakes the machine
   */
  public VcpuCommands(InputQueue queue) {
    this.queue = queue;
  }

  /** What holds now. */
  public State state() {
    return state;
  }

  /** Holds the guest until {@link #resume}; its clock continues. */
  public synchronized void pause() {
    paused = true;
    changed();
  }

  /** Lets a paused guest continue. */
  public synchronized void resume() {
    paused = false;
    changed();
  }

  /** Whether the guest is held, or will be once it runs. */
  public synchronized boolean isPaused() {
    return paused;
  }

  /** Ends the guest as if the power were cut: at the next execution point, for good. */
  public synchronized void stop() {
    stopping = true;
    paused = false;
    queue.stop();
    changed();
  }

  /** Whether {@link #stop} was asked for. */
  public synchronized boolean isStopping() {
    return stopping;
  }

  /** Stops the guest for good where it is. */
  public synchronized void halt(String reason) {
    halted = Optional.of(reason);
    paused = false;
    changed();
  }

  /** Why the guest makes no instruction more; empty if it may. */
  public synchronized Optional<String> halted() {
    return halted;
  }

  /**
   * Has something done between two runs of the machine, also while it is paused; before the machine
   * runs, when it does. What it throws ends the machine's run.
   */
  void ask(VcpuTask work) {
    tasks.add(
        new Task(
            () -> {
              work.run();
              return Optional.empty();
            },
            () -> {}));
    queue.wake();
  }

  /**
   * Has the machine looked at while it stands between two instructions, also while it is paused.
   *
   * @return the result to come; cancelled when there is no machine, or it is over before
   */
  public Future<Optional<RunResult>> inspect(Inspection work) {
    FutureTask<Optional<RunResult>> future = new FutureTask<>(work::run);
    tasks.add(new Task(() -> inspected(future), () -> future.cancel(false)));
    if (!live) {
      cancelInspections();
    }
    queue.wake();
    return future;
  }

  /**
   * One that failed is its asker's matter, and one that was cancelled is nobody's; but after an
   * Error nothing here can be relied on.
   */
  private Optional<RunResult> inspected(FutureTask<Optional<RunResult>> future) {
    excused(true);
    try {
      future.run();
    } finally {
      excused(false);
    }
    if (future.state() == Future.State.FAILED && future.exceptionNow() instanceof Error e) {
      throw e;
    }
    return future.state() == Future.State.SUCCESS ? future.resultNow() : Optional.empty();
  }

  private void cancelInspections() {
    tasks.forEach(task -> task.cancel().run());
  }

  private void changed() {
    state =
        halted.isPresent()
            ? State.HALTS
            : stopping ? State.STOPS : !live ? State.NOT_LIVE : paused ? State.PAUSED : State.RUNS;
    queue.wake();
  }

  /** The machine is live from now on: what is asked counts. */
  public synchronized void run() {
    live = true;
    changed();
  }

  /** There is no machine any more that could be asked. */
  public synchronized void leave() {
    live = false;
    cancelInspections();
    tasks.clear();
    changed();
  }

  /** From here on the vCPU thread comes by, in runs and in tasks; until it does not. */
  public void inRun(boolean on) {
    inRun = on;
  }

  /** Between these the vCPU thread may take longer than it may stand still. vCPU thread. */
  public void excused(boolean on) {
    excused = on;
  }

  /** Whether the vCPU thread must come by here again soon. Any thread. */
  public boolean mustMove() {
    return inRun && !excused && state != State.PAUSED;
  }

  /** It comes by: a task that waits does so, too. vCPU thread. */
  public void comesBy() {
    // One writer, and nothing depends on when others see it.
    stops.lazySet(stops.getPlain() + 1);
  }

  /** A count that changes with each stop of the machine. Any thread. */
  public long moves() {
    return stops.get();
  }

  /** What a machine does at a stop; one that is not live follows its log, whatever is asked. */
  Order order() {
    comesBy();
    if (!live) {
      return Order.RUN;
    }
    State current = state;
    if (current == State.HALTS || !tasks.isEmpty()) {
      return Order.LEAVE;
    }
    return current == State.PAUSED ? Order.WAIT : Order.RUN;
  }

  /**
   * Does what was asked for, between two runs.
   *
   * @return how the guest ended itself in finishing its last instruction; empty if it can continue
   */
  public Optional<RunResult> runTasks() throws Exception {
    Optional<RunResult> ended = Optional.empty();
    Task task = tasks.poll();
    while (task != null) {
      ended = task.work().run();
      task = ended.isEmpty() && state != State.HALTS ? tasks.poll() : null;
    }
    return ended;
  }
}
