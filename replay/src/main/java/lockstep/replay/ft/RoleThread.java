package lockstep.replay.ft;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.input.ExternalInput.Decision;
import lockstep.monitor.input.ExternalInput.HostDecision;
import lockstep.monitor.input.InputQueue;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * The thread {@code vcpu-0} of a machine whose role changes, and all that other threads may do to
 * it: wake it, ask it for a task between two runs of the machine, end it. What the machine is and
 * does belongs to the thread itself.
 */
final class RoleThread {
  private static final long POLL_NANOS = 1_000_000L;

  /** What the thread does with its machine. */
  @FunctionalInterface
  interface Work {
    /** Returns how the VM ended at this host; empty when only this machine is over. */
    Optional<FtVm.End> run() throws Exception;
  }

  private final Scheduler host;
  private final InputQueue queue;
  private final VcpuTask putAway;

  /** What a user gave this process: threads that go first may start others, which must not. */
  private final int nice;

  private final CompletableFuture<FtVm.End> over = new CompletableFuture<>();
  private final ConcurrentLinkedQueue<VcpuTask> tasks = new ConcurrentLinkedQueue<>();

  /** The present machine's; null while there is none, so that nobody kicks one that is closed. */
  private volatile @Nullable Runnable kick;

  private volatile @Nullable Thread thread;
  private volatile Optional<String> halted = Optional.empty();
  private volatile boolean stopping;

  /** Whether a task must stop the machine first. Guarded by this. */
  private boolean runs = true;

  /**
   * No thread yet.
   *
   * @param queue wakes the machine that runs
   * @param putAway done on the thread when its work is over, before it closes the machine
   */
  RoleThread(Scheduler host, InputQueue queue, VcpuTask putAway) {
    this.host = host;
    this.nice = host.nice();
    this.queue = queue;
    this.putAway = putAway;
  }

  /** Runs a machine on a fresh thread, which closes it; after {@link #join}, one at a time. */
  void launch(Work work, VirtualMachine on) {
    Thread fresh =
        usual(
            "vcpu-0",
            () -> {
              try (on) {
                work(work);
              } catch (Exception e) {
                over.completeExceptionally(e);
              }
            });
    thread = fresh;
    Runnable now = on.kick(fresh);
    kick = now;
    queue.wakeWith(now);
    queue.consoleTo(on.console());
    fresh.start();
  }

  /** A thread with this process's own nice value, whoever starts it; not started. */
  Thread usual(String name, Runnable work) {
    return host.thread(
        name,
        false,
        () -> {
          boolean unused = host.nice(nice);
          work.run();
        });
  }

  private void work(Work work) throws Exception {
    try {
      work.run().ifPresent(over::complete);
    } finally {
      try {
        putAway.run();
      } finally {
        // The vCPU is about to go: nobody may kick it any more.
        kick = null;
        queue.wakeWith(() -> {});
      }
    }
  }

  /** Waits until an earlier machine, if there was one, is closed. */
  void join() throws InterruptedException {
    Thread earlier = thread;
    if (earlier != null) {
      earlier.join();
    }
  }

  /** The end of the VM at this host. */
  CompletableFuture<FtVm.End> over() {
    return over;
  }

  /** Has the machine look at its inputs now. */
  void kick() {
    Runnable now = kick;
    if (now != null) {
      now.run();
    }
  }

  /** Has something done between two runs of the machine; never, when it is over. Any thread. */
  synchronized void ask(VcpuTask task) {
    tasks.add(task);
    if (runs) {
      interruptRun();
    }
  }

  /** Says, before the machine's first run, that tasks need not stop it. */
  synchronized void standsAtFirst() {
    runs = false;
  }

  /** From now on tasks stop the machine; false, and nothing changes, when one waits already. */
  synchronized boolean goesOn() {
    runs = tasks.isEmpty();
    return runs;
  }

  /**
   * Does one task, if there is one. One for each stop of the machine: one more stop than tasks
   * would stand in the log, as the VM's end. On the thread itself.
   */
  void runTask() throws Exception {
    VcpuTask task = tasks.poll();
    if (task != null) {
      task.run();
    }
  }

  /** Makes the machine's run return. A full queue takes it when the guest has taken something. */
  private void interruptRun() {
    host.spawn(
        () -> {
          try {
            while (!queue.offer(new HostDecision(Decision.STOP)) && !over.isDone()) {
              host.sleep(POLL_NANOS);
            }
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
  }

  /** Ends the guest as if the power were cut. Any thread. */
  void stop() {
    stopping = true;
    interruptRun();
  }

  /** Whether the user has ended the guest. */
  boolean isStopping() {
    return stopping;
  }

  /** Stops the guest here for good, and without a word to the world. Any thread. */
  void halt(String reason) {
    halted = Optional.of(reason);
    interruptRun();
    if (kick == null) {
      over.complete(new FtVm.End.Halted(reason));
    }
  }

  /** Why this side stops for good, if it does. */
  Optional<String> halted() {
    return halted;
  }

  /** Whether the machine is to go on: neither {@link #halt} nor {@link #stop}. */
  boolean mayGoOn() {
    return halted.isEmpty() && !stopping;
  }
}
