package lockstep.cli.pair;

import java.io.Closeable;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import lockstep.cli.common.ConfigFile;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.HostPort;
import lockstep.cli.common.Verbosity;
import lockstep.cli.console.TerminalConsole;
import lockstep.cli.disk.DiskOption;
import lockstep.cli.run.PlacementWord;
import lockstep.cli.run.Start;
import lockstep.cli.run.StartOptions;
import lockstep.cli.run.UnsafeClock;
import lockstep.cli.vm.MetricsOption;
import lockstep.kvm.Kvm;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.record.RecordOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code lockstep primary}: runs a VM that a backup follows. */
@Command(
    name = "primary",
    description = "Run a VM here, protected by a backup that goes on when this host dies.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  lockstep backup --listen 0.0.0.0:7000 --disk file:/shared/web.img     (on the other host)",
      "  lockstep primary --guest linux --disk file:/shared/web.img --backup 192.0.2.7:7000",
      "  lockstep primary --guest linux --disk iscsi://192.0.2.9/iqn.2026-11.com.example:web/1 \\",
      "      --backup 192.0.2.7:7000"
    },
    exitCodeList = {
      "0:the guest stopped or was stopped, or goes on at the backup",
      "1:failed, or the guest crashed, or the other side has taken over",
      "2:wrong usage",
      "3:a part of Lockstep failed, and the process ended at once: the other side takes over",
      "128+N:signal N told it to end, and it did (129: SIGHUP, 130: SIGINT, 143: SIGTERM)"
          + "; a protected VM continues at the backup",
      "N:what the guest wrote to its exit port (0xf4)"
    })
public final class PrimaryCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @ParentCommand private Verbosity parent = () -> false;

  @SuppressWarnings("UnusedVariable") // for --help; Main has read the file
  @Mixin
  private ConfigFile config = new ConfigFile();

  @Mixin private StartOptions start = new StartOptions();
  @Mixin private UnsafeClock unsafeClock = new UnsafeClock();
  @Mixin private PairOptions pair = new PairOptions();
  @Mixin private MetricsOption metrics = new MetricsOption();

  @Option(
      names = "--backup",
      paramLabel = "HOST:PORT",
      converter = HostPort.class,
      description =
          "Where a lockstep backup listens; the guest starts when it follows. Without:"
              + " unprotected.")
  private Optional<InetSocketAddress> backup = Optional.empty();

  @Option(
      names = "--max-input-delay",
      paramLabel = "MS",
      defaultValue = "50",
      description =
          "How long an input waits for a guest exit before state-sync, in ms."
              + " Default: ${DEFAULT-VALUE}.")
  private int maxInputDelayMillis = 50;

  @Option(
      names = "--digest-interval",
      paramLabel = "MS",
      defaultValue = "10000",
      description =
          "How often the two machines are compared whole, in ms. Default: ${DEFAULT-VALUE}.")
  private int digestMillis = 10_000;

  /** Only Picocli makes one. */
  PrimaryCommand() {}

  @Override
  public Integer call() throws Exception {
    if (start.listed()) {
      return ExitCode.DONE;
    }
    return start.with(this::tell, this::run);
  }

  private int run(Kvm kvm, Start from) throws Exception {
    unsafeClock.check(start.name(), from);
    String name = pair.name(start.guestName());
    String vm = DiskOption.newVm();
    VmEnd end;
    try (PairDisk storage = pair.open();
        PairRun run =
            new PairRun(
                name,
                kvm,
                pair.security(backup),
                pair.heartbeatPort(),
                pair.insecure(),
                pair.stopSeconds(),
                FtSession.primary(name, vm, pair.times()),
                pair.times(),
                storage,
                options(kvm),
                this::say);
        Closeable _ = metrics.open(run.commands(), this::say);
        TerminalConsole _ = TerminalConsole.openInput(run)) {
      say(storage.guarantees());
      run.spares(pair.spares(), backup.isEmpty());
      end = run.primary(from, kvm, backup);
    }
    return PairEnd.exitCode(end, spec.commandLine());
  }

  private RecordOptions options(Kvm kvm) throws Exception {
    if (maxInputDelayMillis < 0 || digestMillis < 1) {
      throw new ParameterException(
          spec.commandLine(), "--max-input-delay is 0 or more, --digest-interval 1 or more");
    }
    RecordOptions auto =
        PlacementWord.AUTO.options(kvm, TimeUnit.MILLISECONDS.toNanos(maxInputDelayMillis));
    return new RecordOptions(
        auto.stepReach(),
        auto.timePerStepTime(),
        auto.stateSync(),
        auto.maxInputDelayNanos(),
        TimeUnit.MILLISECONDS.toNanos(digestMillis),
        auto.exitsPerRegisters());
  }

  private void tell(String line) {
    if (parent.verbose()) {
      say(line);
    }
  }

  private void say(String line) {
    PrintWriter err = spec.commandLine().getErr();
    err.print("lockstep primary: " + line + "\r\n");
    err.flush();
  }
}
