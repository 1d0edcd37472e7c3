package lockstep.cli.run;

import java.lang.management.ManagementFactory;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import lockstep.monitor.Machine;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;

/** The thread {@code vcpu-0} of one machine, and what kicks it. */
final class VcpuThread {
  /** Set once there is a vCPU; the timer that is made before it has nothing to kick yet. */
  private volatile Runnable kick = () -> {};

  private volatile Optional<Thread> started = Optional.empty();

  /** Written on vcpu-0, read after its end. */
  private long ranNanos;

  /** A timer that kicks the machine once it runs; the caller closes it. */
  KickTimer timer() {
    return new KickTimer(() -> kick.run());
  }

  /** Something that runs a machine, such as {@link Machine#run}. */
  @FunctionalInterface
  interface Runner {
    RunResult run() throws Exception;
  }

  /** Runs a machine on this thread, and measures it. On {@code vcpu-0}. */
  RunResult timed(Runner machine) throws Exception {
    long start = System.nanoTime();
    try {
      return machine.run();
    } finally {
      ranNanos += System.nanoTime() - start;
    }
  }

  /**
   * How long the machine was run, without what comes before and after; once {@link #run} is over.
   */
  long ranNanos() {
    return ranNanos;
  }

  /** The CPU time that the machine has taken; 0 before its start and after its end. Any thread. */
  long cpuNanos() {
    return started
        .map(thread -> ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId()))
        .map(nanos -> Math.max(0, nanos))
        .orElse(0L);
  }

  /**
   * Does a machine's work on the thread and waits for its end.
   *
   * @param queue wakes the machine from now on, and takes what is typed at its pace
   * @param work runs the machine
   * @throws Exception what the work threw
   */
  <T> T run(Machine machine, InputQueue queue, Callable<T> work) throws Exception {
    FutureTask<T> task = new FutureTask<>(work);
    Thread thread = Thread.ofPlatform().name("vcpu-0").unstarted(task);
    VcpuHandle handle = new VcpuHandle(machine.kick(), thread);
    kick = handle::kick;
    queue.wakeWith(handle::kick);
    queue.consoleTo(machine.console());
    thread.start();
    started = Optional.of(thread);
    try {
      return task.get();
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case Exception cause -> throw cause;
        case Error cause -> throw cause;
        case null, default -> throw e;
      }
    }
  }
}
