package lockstep.replay.ft.vcpu;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.input.InputQueue;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * The thread {@code vcpu-0} of a machine whose role changes, and all that other threads may do to
 * it: wake it, ask it for a task between two runs of the machine, end it. What the machine is and
 * does belongs to the thread itself.
 */
public final class RoleThread {
  /** What the thread does with its machine. */
  @FunctionalInterface
  public interface Work {
    /** Returns how the VM ended at this host; empty when only this machine is over. */
    Optional<VmEnd> run() throws Exception;
  }

  private final Scheduler host;
  private final InputQueue queue;
  private final VcpuTask putAway;

  /** What a user gave this process: threads that go first may start others, which must not. */
  private final int nice;

  private final CompletableFuture<VmEnd> over = new CompletableFuture<>();
  private final VcpuCommands commands;

  /** The present machine's; null while there is none, so that nobody kicks one that is closed. */
  private volatile @Nullable Runnable kick;

  private volatile @Nullable Thread thread;

  /**
   * No thread yet.
   *
   * @param queue wakes the machine that runs
   * @param putAway done on the thread when its work is over, before it closes the machine
   */
  public RoleThread(Scheduler host, InputQueue queue, VcpuTask putAway) {
    this.host = host;
    this.nice = host.nice();
    this.queue = queue;
    this.commands = new VcpuCommands(queue);
    this.putAway = putAway;
  }

  /** Runs a machine on a fresh thread, which closes it; after {@link #join}, one at a time. */
  public void launch(Work work, VirtualMachine on) {
    Thread fresh =
        usual(
            "vcpu-0",
            () -> {
              try (on) {
                work(work);
              } catch (Exception | Error e) {
                over.completeExceptionally(e);
              }
            });
    thread = fresh;
    Runnable ofMachine = on.kick(fresh);
    kick = ofMachine;
    queue.wakeWith(ofMachine);
    queue.consoleTo(on.console());
    fresh.start();
  }

  /** A thread with this process's own nice value, whoever starts it; not started. */
  public Thread usual(String name, Runnable work) {
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
    } catch (RuntimeException | Error e) {
      // First of all: a side whose vCPU is gone must not be heard of any more.
      host.failStop("vcpu-0", e);
      throw e;
    } finally {
      try {
        commands.leave();
        putAway.run();
      } finally {
        // The vCPU is about to go: nobody may kick it any more.
        kick = null;
        queue.wakeWith(() -> {});
      }
    }
  }

  /** Waits until an earlier machine, if there was one, is closed. */
  public void join() throws InterruptedException {
    Thread earlier = thread;
    if (earlier != null) {
      earlier.join();
    }
  }

  /** The end of the VM at this host. */
  public CompletableFuture<VmEnd> over() {
    return over;
  }

  /** Has the machine look at its inputs now. */
  public void kick() {
    Runnable present = kick;
    if (present != null) {
      present.run();
    }
  }

  /** What others may ask of the machine. */
  public VcpuCommands commands() {
    return commands;
  }

  /** Has something done between two runs of the machine; never, when it is over. Any thread. */
  public void ask(VcpuTask task) {
    commands.ask(task);
  }

  /** Ends the guest as if the power were cut. Any thread. */
  public void stop() {
    commands.stop();
  }

  /** Whether the user has ended the guest. */
  public boolean isStopping() {
    return commands.isStopping();
  }

  /** Stops the guest here for good, and without a word to the world. Any thread. */
  public void halt(String reason) {
    commands.halt(reason);
    if (kick == null) {
      over.complete(new VmEnd.Halted(reason));
    }
  }

  /** Why this side stops for good, if it does. */
  public Optional<String> halted() {
    return commands.halted();
  }

  /** Whether the machine is to go on: neither {@link #halt} nor {@link #stop}. */
  public boolean mayGoOn() {
    return commands.halted().isEmpty() && !commands.isStopping();
  }
}
