package lockstep.cli.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.cli.bench.DiskLoad.Kind;
import lockstep.cli.bench.DiskLoad.Shape;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.process.Programs;
import lockstep.storage.iscsi.OwnTarget;
import org.jspecify.annotations.Nullable;

/**
 * The same load in C: reads by libiscsi's own tool iscsi-perf, writes, which that does not do, by a
 * small program over libiscsi.
 */
final class IscsiPeer {
  private static final Pattern AVERAGE = Pattern.compile("iops average ([0-9]+)");
  private static final int BLOCK_BYTES = 512;

  private final BenchWork work;
  private final OwnTarget target;
  private final Optional<Path> tool;
  private final Optional<BenchProgram> program;

  private IscsiPeer(
      BenchWork work, OwnTarget target, Optional<Path> tool, Optional<BenchProgram> program) {
    this.work = work;
    this.target = target;
    this.tool = tool;
    this.program = program;
  }

  /** Looks for the tool and compiles the program; says what is missing. */
  static IscsiPeer of(BenchWork work, OwnTarget target, Consumer<String> notes)
      throws IOException, InterruptedException {
    Optional<Path> tool = Programs.find("iscsi-perf");
    if (tool.isEmpty()) {
      notes.accept("no iscsi-perf: no rows for iscsi reads; apt-get install libiscsi-bin");
    }
    @Nullable BenchProgram program = null;
    try {
      Path compiled = work.compile("iscsi-load.c", "-liscsi");
      program =
          BenchProgram.start(
              work, compiled, target.portal(), target.name(), String.valueOf(OwnTarget.LUN));
    } catch (CommandFailure | IOException e) {
      notes.accept(
          "iscsi-load.c does not compile: no rows for iscsi writes; apt-get install gcc libc6-dev"
              + " libiscsi-dev");
    }
    return new IscsiPeer(work, target, tool, Optional.ofNullable(program));
  }

  /** Whether this host has what such a load needs. */
  boolean has(Kind kind) {
    return switch (kind) {
      case READ -> tool.isPresent();
      case WRITE, FUA -> program.isPresent();
    };
  }

  /** Loads the target for some time; completed requests a second. */
  double perSecond(Shape shape, int millis, int toolSeconds)
      throws IOException, InterruptedException, CommandFailure {
    return switch (shape.kind()) {
      case READ -> read(shape, toolSeconds);
      case WRITE, FUA ->
          program
              .orElseThrow()
              .measure(
                  "%s %d %d %d"
                      .formatted(shape.kind().word(), shape.sizeBytes(), shape.depth(), millis));
    };
  }

  private double read(Shape shape, int seconds)
      throws IOException, InterruptedException, CommandFailure {
    List<String> command =
        List.of(
            tool.orElseThrow().toString(),
            "-m",
            String.valueOf(shape.depth()),
            "-b",
            String.valueOf(shape.sizeBytes() / BLOCK_BYTES),
            "-t",
            String.valueOf(seconds),
            "-r",
            "iscsi:" + target.address(OwnTarget.LUN));
    String output = work.run(command);
    Matcher matcher = AVERAGE.matcher(output);
    // The last one is of the whole run.
    Optional<String> average = matcher.results().reduce((one, later) -> later).map(m -> m.group(1));
    return Double.parseDouble(
        average.orElseThrow(
            () ->
                new CommandFailure(
                    "iscsi-perf says something else: " + output.strip(),
                    "try " + String.join(" ", command))));
  }
}
