package lockstep.cli.run;

import java.io.Closeable;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ConfigFile;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.Verbosity;
import lockstep.cli.console.ConsoleHub;
import lockstep.cli.console.TerminalConsole;
import lockstep.cli.control.ControlServer;
import lockstep.cli.disk.DiskOption;
import lockstep.cli.vm.MetricsOption;
import lockstep.cli.vm.VmName;
import lockstep.kvm.Kvm;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.StandardOutput;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code lockstep run}: boots a VM here, console on this terminal. */
@Command(
    name = "run",
    description = "Boot a VM here, with its console on this terminal.",
    footerHeading = "%nOn a terminal, Ctrl-A x leaves and Ctrl-A h shows more keys.%n%nExamples:%n",
    footer = {
      "  lockstep run --guest hello",
      "  lockstep run --guest linux --snapshot state.snap",
      "  lockstep run --guest linux --disk file:data.img --name web",
      "  lockstep run --guest linux --disk iscsi://192.0.2.9/iqn.2026-11.com.example:data/1",
      "  lockstep run --config web.conf --memory 128M",
      "  lockstep run --from state.snap",
      "  lockstep run --kernel bzImage --initrd initrd.gz --append console=ttyS0 --memory 256M"
    },
    exitCodeList = {
      "0:the guest stopped or was stopped",
      "1:failed, or the guest crashed",
      "2:wrong usage",
      "128+N:signal N told it to end, and it did (129: SIGHUP, 130: SIGINT, 143: SIGTERM)",
      "N:what the guest wrote to its exit port (0xf4)"
    })
public final class RunCommand implements Callable<Integer> {
  /** A day of the guest's would be three years. */
  private static final int MAX_SLOWDOWN = 1_000;

  @Spec private CommandSpec spec = CommandSpec.create();
  @ParentCommand private Verbosity parent = () -> false;

  @SuppressWarnings("UnusedVariable") // for --help; Main has read the file
  @Mixin
  private ConfigFile config = new ConfigFile();

  @Mixin private StartOptions start = new StartOptions();
  @Mixin private DiskOption disk = new DiskOption();
  @Mixin private MetricsOption metrics = new MetricsOption();

  @Option(
      names = "--snapshot",
      paramLabel = "FILE",
      description =
          "Write the machine's state there when the guest is stopped (Ctrl-A x, SIGTERM) and at"
              + " Ctrl-A s.")
  private Optional<Path> snapshot = Optional.empty();

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description =
          "What to call it here, so that lockstep status, console, pause, stop and snapshot reach"
              + " it. Without: they do not.")
  private Optional<String> name = Optional.empty();

  @Option(
      names = "--slow-clock",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "The guest's clock runs N times slower than the host's: for a kernel whose timer"
              + " interrupts come faster than a software KVM handles them. Default:"
              + " ${DEFAULT-VALUE}.")
  private int slowClock = 1;

  /** Only Picocli makes one. */
  RunCommand() {}

  @Override
  public Integer call() throws Exception {
    if (start.listed()) {
      return ExitCode.DONE;
    }
    checkSlowClock();
    Optional<SnapshotFile> file = snapshot.map(path -> new SnapshotFile(path, this::say));
    if (file.isPresent()) {
      file.get().checkWritable();
    }
    return start.with(this::tell, (kvm, from) -> run(kvm, from, file));
  }

  private int run(Kvm kvm, Start from, Optional<SnapshotFile> file) throws Exception {
    LocalRun run = new LocalRun(file, this::say, disk.open(), slowClock);
    ConsoleHub hub = new ConsoleHub(StandardOutput.stream());
    RunControl commands = new RunControl(name.orElse("vm"), hub, run);
    RunResult result;
    try (Closeable _ = listen(commands, hub);
        Closeable _ = metrics.open(commands, this::say);
        TerminalConsole console = TerminalConsole.open(run, hub)) {
      result = run.run(kvm, from, console.output());
    }
    tell(run.counters().toString());
    return RunEnd.exitCode(result, spec.commandLine());
  }

  private Closeable listen(RunControl commands, ConsoleHub hub) throws CommandFailure {
    if (name.isEmpty()) {
      return () -> {};
    }
    ControlServer control = VmName.listen(name.get(), commands);
    return () -> {
      hub.finish();
      control.close();
    };
  }

  private void checkSlowClock() {
    if (slowClock < 1 || slowClock > MAX_SLOWDOWN) {
      throw new ParameterException(
          spec.commandLine(), "--slow-clock is 1 to " + MAX_SLOWDOWN + ", not " + slowClock);
    }
  }

  private void tell(String line) {
    if (parent.verbose()) {
      say(line);
    }
  }

  /** A line for the user, whose terminal may be in raw mode. Any thread. */
  private void say(String line) {
    PrintWriter err = spec.commandLine().getErr();
    err.print("lockstep run: " + line + "\r\n");
    err.flush();
  }
}
