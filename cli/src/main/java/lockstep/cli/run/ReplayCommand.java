package lockstep.cli.run;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import lockstep.cli.common.ExitCode;
import lockstep.cli.disk.DiskOption;
import lockstep.monitor.host.ConsoleOutput;
import lockstep.monitor.output.ConsoleSink;
import lockstep.replay.log.LogReader;
import lockstep.replay.playback.Divergence;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.sys.StandardOutput;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lockstep replay}: re-runs a recorded VM exactly. */
@Command(
    name = "replay",
    description = "Run a recorded VM again, exactly, and compare it with the recording.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  lockstep replay boot.log",
      "  lockstep replay boot.log --verify",
      "  lockstep replay boot.log --to 5000 --speed real",
      "  lockstep replay boot.log --go-live"
    },
    exitCodeList = {
      "0:the replay did all that the log says",
      "1:failed, diverged, the log ended before --to, or, with --verify, it was cut",
      "2:wrong usage",
      "128+N:signal N told it to end, and it did (129: SIGHUP, 130: SIGINT, 143: SIGTERM)",
      "N:with --go-live, what the guest wrote to its exit port (0xf4)"
    })
public final class ReplayCommand implements Callable<Integer> {
  /** How long a reader of the console may take nothing at the end. */
  private static final long REPLAY_FINISH_MILLIS = 30_000;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(paramLabel = "FILE", description = "A log that lockstep record wrote.")
  private Path file = Path.of("");

  @Option(
      names = "--verify",
      description = "Do not show the console; a log without its end is a failure.")
  private boolean verify;

  @Option(
      names = "--to",
      paramLabel = "POINT",
      description = "Stop after this many guest exits, as lockstep log dump shows them.")
  private Optional<Long> to = Optional.empty();

  @Option(
      names = "--speed",
      paramLabel = "HOW",
      defaultValue = "max",
      description =
          "max: as fast as possible, idle time skipped; real: as the guest clock says."
              + " Default: ${DEFAULT-VALUE}.")
  private Speed speed = Speed.MAX;

  @Option(
      names = "--go-live",
      description = "At the log's end let the guest go on, with its console on this terminal.")
  private boolean goLive;

  @Mixin private DiskOption disk = new DiskOption();

  /** Only Picocli makes one. */
  ReplayCommand() {}

  /** How fast. */
  enum Speed {
    MAX,
    REAL
  }

  @Override
  public Integer call() throws Exception {
    if (goLive && (verify || to.isPresent())) {
      throw new ParameterException(
          spec.commandLine(), "--go-live needs the console and the log's end; leave out the other");
    }
    if (!goLive && !disk.texts().isEmpty()) {
      throw new ParameterException(
          spec.commandLine(), "--disk is for --go-live; a replay needs no disk, leave it out");
    }
    ReplayOptions options =
        new ReplayOptions(
            to.map(OptionalLong::of).orElse(OptionalLong.empty()),
            speed == Speed.REAL,
            goLive,
            ReplayOptions.DEFAULT_STALL_NANOS);
    ReplayedRun run = new ReplayedRun(file, this::say);
    try (LogReader log = LogReader.open(file)) {
      if (goLive) {
        return run.goLive(log, options, disk.open(), spec.commandLine());
      }
      long start = System.nanoTime();
      ReplayOutcome outcome = replay(run, log, options);
      return verdict(outcome, log, (System.nanoTime() - start) / 1e9);
    } catch (IOException e) {
      throw ReplayedRun.failure(file, e);
    }
  }

  private ReplayOutcome replay(ReplayedRun run, LogReader log, ReplayOptions options)
      throws Exception {
    if (verify) {
      return run.replay(log, options, value -> {});
    }
    try (ConsoleOutput console = new ConsoleOutput(StandardOutput.stream(), cause -> {})) {
      ConsoleSink sink = console;
      ReplayOutcome outcome = run.replay(log, options, sink);
      // What nobody reads is in the log, and comes again with the next replay.
      long unused = console.finish(REPLAY_FINISH_MILLIS);
      return outcome;
    }
  }

  private int verdict(ReplayOutcome outcome, LogReader log, double seconds) {
    String pace = "%d guest exits in %.2f s".formatted(outcome.exits(), seconds);
    if (!(outcome instanceof ReplayOutcome.Diverged)
        && to.isPresent()
        && outcome.exits() < to.get()) {
      say(
          "equal to the recording, but --to %d is beyond it: %s, and there the log %s"
              .formatted(to.get(), pace, log.cut().map(why -> "is " + why).orElse("ends")));
      return ExitCode.FAILED;
    }
    return switch (outcome) {
      case ReplayOutcome.Equal equal -> {
        say("equal to the recording: " + pace + ", final digest " + equal.digest());
        yield ExitCode.DONE;
      }
      case ReplayOutcome.Reached _ -> {
        say("equal to the recording so far: " + pace);
        yield ExitCode.DONE;
      }
      case ReplayOutcome.LogEnded _ -> {
        say(
            "equal to the recording as far as the log goes: %s; the log is %s"
                .formatted(pace, log.cut().orElse("without an end")));
        yield verify ? ExitCode.FAILED : ExitCode.DONE;
      }
      case ReplayOutcome.Diverged diverged -> {
        explain(diverged.divergence());
        yield ExitCode.FAILED;
      }
    };
  }

  private void explain(Divergence divergence) {
    PrintWriter err = spec.commandLine().getErr();
    err.println("lockstep replay: " + divergence.report());
    err.println("code where the replay stopped:");
    Disassembly.of(divergence.code()).forEach(line -> err.println("  " + line));
    String command = "lockstep replay '" + file.toString().replace("'", "'\\''") + "'";
    err.println();
    err.println("to see it again: " + command);
    if (divergence.exits() > 0) {
      err.println("to stop before it: " + command + " --to " + (divergence.exits() - 1));
    }
    err.flush();
  }

  private void say(String line) {
    PrintWriter err = spec.commandLine().getErr();
    err.print("lockstep replay: " + line + "\r\n");
    err.flush();
  }
}
