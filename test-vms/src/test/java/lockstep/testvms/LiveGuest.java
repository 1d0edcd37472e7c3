package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineCounters;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;

/** Runs a guest of the table on this host's KVM, live and unrecorded, to its end. */
final class LiveGuest {
  private LiveGuest() {}

  /**
   * What a run left.
   *
   * @param how how it ended
   * @param console what the guest wrote, as ISO 8859-1
   * @param counters the machine's counters at the end
   */
  record Outcome(RunResult how, String console, MachineCounters counters) {
    /** Whether the guest ended through the exit port with the output and code of the table. */
    boolean isRightFor(Guest guest) {
      return how instanceof RunResult.ExitPort exit && guest.passes(console, exit.code());
    }
  }

  /** The timer is made before the vCPU that it kicks. */
  private static final class Kick {
    private volatile Runnable target = () -> {};
  }

  /** Runs a guest; one that takes longer than the bound is stopped and shows as Stopped. */
  static Outcome run(Guest guest, long memoryMib, String commandLine, int timeoutSeconds)
      throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    InputQueue queue = new InputQueue();
    Kick kick = new Kick();
    long memoryBytes = memoryMib << 20;
    MachineConfig config = new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0);
    try (Kvm kvm = Kvm.open();
        KickTimer timer = new KickTimer(() -> kick.target.run());
        Machine machine =
            Machine.create(
                kvm,
                MachineOrigin.here(config, QuirkProbe.probe(kvm), kvm.supportedCpuid()),
                new LiveInputs(new HostInputs(queue, MachineLayout.TIMERS, 0, timer)),
                OutputSink.console(console::write))) {
      BootFile image = BootFile.of(guest.name(), guest.image());
      machine.boot(BootImages.load(image, BootConfig.of(memoryBytes, commandLine)));
      FutureTask<RunResult> task = new FutureTask<>(machine::run);
      Thread vcpu = Thread.ofPlatform().name("vcpu-0").unstarted(task);
      VcpuHandle handle = new VcpuHandle(machine.kick(), vcpu);
      kick.target = handle::kick;
      queue.wakeWith(handle::kick);
      if (!guest.consoleInput().isEmpty()) {
        byte[] typed = guest.consoleInput().getBytes(ISO_8859_1);
        queue.offer(new ExternalInput.ConsoleBytes(Bytes.copyOf(typed, 0, typed.length)));
      }
      vcpu.start();
      RunResult how = await(task, queue, timeoutSeconds);
      return new Outcome(how, console.toString(ISO_8859_1), machine.counters());
    }
  }

  private static RunResult await(FutureTask<RunResult> task, InputQueue queue, int timeoutSeconds)
      throws InterruptedException, ExecutionException {
    try {
      return task.get(timeoutSeconds, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
      return task.get();
    }
  }
}
