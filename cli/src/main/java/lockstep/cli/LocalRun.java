package lockstep.cli;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineCounters;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput.Decision;
import lockstep.monitor.input.ExternalInput.HostDecision;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;

/**
 * A machine that runs here, live and unrecorded: plugs LiveInputs, the kick timer and a sink
 * together and owns the thread {@code vcpu-0}.
 */
final class LocalRun {
  private final InputQueue queue = new InputQueue();
  private MachineCounters counters = MachineCounters.ZERO;

  /** Set once there is a vCPU; the timer that is made before it has nothing to kick yet. */
  private volatile Runnable kick = () -> {};

  /** The way in for console input and for {@link #stop}. */
  InputQueue queue() {
    return queue;
  }

  /** What the machine counted; zeros before its end. */
  MachineCounters counters() {
    return counters;
  }

  /** Ends the guest as if the power were cut; false if the queue is full. Any thread. */
  boolean stop() {
    return queue.offer(new HostDecision(Decision.STOP));
  }

  /** Boots and runs to the end; the machine is gone when it returns. */
  RunResult run(Kvm kvm, MachineConfig config, QuirkSet quirks, BootImage image, OutputSink sink)
      throws Exception {
    try (KickTimer timer = new KickTimer(() -> kick.run());
        Machine machine =
            Machine.create(
                kvm,
                config,
                quirks,
                new LiveInputs(new HostInputs(queue, MachineLayout.TIMERS, 0, timer)),
                sink)) {
      machine.boot(image);
      FutureTask<RunResult> task = new FutureTask<>((Callable<RunResult>) machine::run);
      Thread vcpu = Thread.ofPlatform().name("vcpu-0").unstarted(task);
      VcpuHandle handle = new VcpuHandle(machine.kick(), vcpu);
      kick = handle::kick;
      queue.wakeWith(handle::kick);
      vcpu.start();
      RunResult result = await(task);
      counters = machine.counters();
      return result;
    }
  }

  private static RunResult await(FutureTask<RunResult> task) throws Exception {
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
