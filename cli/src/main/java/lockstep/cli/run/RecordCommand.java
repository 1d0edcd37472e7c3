package lockstep.cli.run;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ConfigFile;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.FileErrors;
import lockstep.cli.common.Verbosity;
import lockstep.cli.common.Version;
import lockstep.cli.console.TerminalConsole;
import lockstep.cli.disk.DiskOption;
import lockstep.kvm.Kvm;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.LogHeader;
import lockstep.replay.log.LogWriter;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.record.RecordOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code lockstep record}: runs a VM and writes what it takes in to a log file. */
@Command(
    name = "record",
    description = "Run a VM, and write a log from which it can be replayed exactly.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  lockstep record ticks.log --guest ticks",
      "  lockstep record boot.log --guest linux",
      "  lockstep replay boot.log"
    },
    exitCodeList = {
      "0:the guest stopped or was stopped",
      "1:failed, or the guest crashed",
      "2:wrong usage",
      "128+N:signal N told it to end, and it did (129: SIGHUP, 130: SIGINT, 143: SIGTERM)",
      "N:what the guest wrote to its exit port (0xf4)"
    })
public final class RecordCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @ParentCommand private Verbosity parent = () -> false;

  @SuppressWarnings("UnusedVariable") // for --help; Main has read the file
  @Mixin
  private ConfigFile config = new ConfigFile();

  @Mixin private StartOptions start = new StartOptions();
  @Mixin private UnsafeClock unsafeClock = new UnsafeClock();
  @Mixin private DiskOption disk = new DiskOption();

  @Parameters(paramLabel = "FILE", description = "The log to write; an older one is replaced.")
  private Path file = Path.of("");

  @Option(
      names = "--placement",
      paramLabel = "HOW",
      converter = PlacementConverter.class,
      completionCandidates = PlacementWord.Words.class,
      defaultValue = "auto",
      description =
          "How inputs between guest exits are placed: ${COMPLETION-CANDIDATES}."
              + " Default: ${DEFAULT-VALUE}, what this host can do.")
  private PlacementWord placement = PlacementWord.AUTO;

  @Option(
      names = "--max-input-delay",
      paramLabel = "MS",
      defaultValue = "50",
      description =
          "How long an input waits for a guest exit before state-sync, in ms."
              + " Default: ${DEFAULT-VALUE}.")
  private int maxInputDelayMillis = 50;

  /** Only Picocli makes one. */
  RecordCommand() {}

  @Override
  public Integer call() throws Exception {
    if (start.listed()) {
      return ExitCode.DONE;
    }
    if (maxInputDelayMillis < 0) {
      throw new picocli.CommandLine.ParameterException(
          spec.commandLine(), "--max-input-delay " + maxInputDelayMillis + " is below 0");
    }
    return start.with(this::tell, this::record);
  }

  private int record(Kvm kvm, Start from) throws Exception {
    unsafeClock.check(start.name(), from);
    RecordOptions options =
        placement.options(kvm, TimeUnit.MILLISECONDS.toNanos(maxInputDelayMillis));
    LogHeader header =
        new LogHeader(
            Map.of(
                "guest", start.name().replace('\n', ' '),
                "lockstep", Version.number(),
                "placement", placement.word(),
                "step-reach", options.stepReach().toString()));
    RecordedRun run = new RecordedRun(disk.open());
    RunResult result;
    try (InstructionCounter counter = placement.counter(kvm);
        LogWriter log = create(header);
        TerminalConsole console = TerminalConsole.open(run)) {
      result = run.run(kvm, from, console.output(), log, options, counter);
    } catch (UncheckedIOException e) {
      throw failure(new IOException(e.getMessage(), e));
    } catch (IOException e) {
      throw failure(e);
    }
    tell(run.counters().toString());
    return RunEnd.exitCode(result, spec.commandLine());
  }

  private LogWriter create(LogHeader header) throws CommandFailure {
    try {
      return LogWriter.create(file, header);
    } catch (IOException e) {
      throw failure(e);
    }
  }

  private CommandFailure failure(IOException e) {
    return new CommandFailure(
        "log " + file + ": " + FileErrors.reason(e), "make room or give another file", e);
  }

  private void tell(String line) {
    if (parent.verbose()) {
      PrintWriter err = spec.commandLine().getErr();
      err.print("lockstep record: " + line + "\r\n");
      err.flush();
    }
  }
}
