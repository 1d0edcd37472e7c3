package lockstep.cli.run;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.Json;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogReader;
import lockstep.replay.log.LogStatistics;
import lockstep.replay.playback.Descriptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lockstep log}: looks into log files. */
@Command(
    name = "log",
    description = "Look into a log that lockstep record wrote.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  lockstep log dump boot.log --from 100 --to 200",
      "  lockstep log stat boot.log --json",
      "  lockstep log verify boot.log"
    })
public final class LogCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** Only Picocli makes one. */
  LogCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given; use dump, stat or verify");
  }

  @Command(
      name = "dump",
      description = "Print the entries, one a line: number, kind, content.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep log dump boot.log --from 100 --to 200")
  int dump(
      @Parameters(paramLabel = "FILE", description = "The log.") Path file,
      @Option(
              names = "--from",
              paramLabel = "N",
              description = "Number of the first entry to print.")
          Optional<Long> from,
      @Option(names = "--to", paramLabel = "N", description = "Number of the last entry to print.")
          Optional<Long> to,
      @Option(names = "--json", description = "Print one JSON object a line.") boolean json)
      throws CommandFailure {
    PrintWriter out = spec.commandLine().getOut();
    long first = from.orElse(0L);
    long last = to.orElse(Long.MAX_VALUE);
    try (LogReader log = LogReader.open(file)) {
      while (log.position() <= last && log.peek() != null) {
        long number = log.position();
        LogEntry entry = log.take();
        if (number >= first) {
          out.println(
              json
                  ? Json.of(
                      Map.of(
                          "entry", number,
                          "kind", entry.kind().toString(),
                          "text", Descriptions.of(entry)))
                  : number + " " + Descriptions.of(entry));
          // A reader that has seen enough, as head has.
          if (out.checkError()) {
            return ExitCode.DONE;
          }
        }
      }
      log.cut().ifPresent(why -> spec.commandLine().getErr().println("lockstep log: " + why));
      return ExitCode.DONE;
    } catch (IOException e) {
      throw ReplayedRun.failure(file, e);
    }
  }

  @Command(
      name = "stat",
      description = "Count entries and bytes by kind, and bytes a second of guest time.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep log stat boot.log --json")
  int stat(
      @Parameters(paramLabel = "FILE", description = "The log.") Path file,
      @Option(names = "--json", description = "Print a JSON object.") boolean json)
      throws CommandFailure {
    PrintWriter out = spec.commandLine().getOut();
    try (LogReader log = LogReader.open(file)) {
      LogStatistics statistics = LogStatistics.of(log);
      if (json) {
        out.println(Json.of(asMap(log, statistics)));
      } else {
        print(out, log, statistics);
      }
      out.flush();
      return ExitCode.DONE;
    } catch (IOException e) {
      throw ReplayedRun.failure(file, e);
    }
  }

  private static Map<String, Object> asMap(LogReader log, LogStatistics statistics) {
    Map<String, Object> kinds = new LinkedHashMap<>();
    statistics
        .kinds()
        .forEach(
            (kind, count) ->
                kinds.put(
                    kind.toString(), Map.of("entries", count.entries(), "bytes", count.bytes())));
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("properties", log.header().properties());
    map.put("kinds", kinds);
    map.put("entries", statistics.entries());
    map.put("entryBytes", statistics.entryBytes());
    map.put("stateBytes", statistics.stateBytes());
    map.put("guestSeconds", statistics.guestSeconds());
    map.put("entryBytesPerSecond", statistics.entryBytesPerSecond());
    map.put("complete", log.cut().isEmpty());
    return map;
  }

  private static void print(PrintWriter out, LogReader log, LogStatistics statistics) {
    log.header().properties().forEach((key, value) -> out.printf("%-16s %s%n", key, value));
    out.printf("%-16s %10s %12s %8s %12s%n", "kind", "entries", "bytes", "each", "bytes/s");
    statistics
        .kinds()
        .forEach(
            (kind, count) ->
                out.printf(
                    "%-16s %10d %12d %8.1f %12s%n",
                    kind,
                    count.entries(),
                    count.bytes(),
                    (double) count.bytes() / count.entries(),
                    rate(count.bytes(), statistics)));
    out.printf(
        "%-16s %10d %12d %8s %12s%n",
        "all entries",
        statistics.entries(),
        statistics.entryBytes(),
        "",
        rate(statistics.entryBytes(), statistics));
    out.printf("%-16s %10s %12d%n", "starting state", "", statistics.stateBytes());
    out.printf("guest time %.2f s%n", statistics.guestSeconds());
    log.cut().ifPresent(out::println);
  }

  /** A guest that never asks for the time has none that its log tells. */
  private static String rate(long bytes, LogStatistics statistics) {
    return statistics.guestSeconds() == 0
        ? "-"
        : "%.0f".formatted(bytes / statistics.guestSeconds());
  }

  @Command(
      name = "verify",
      description = "Read all of a log and say whether it is whole; runs nothing.",
      exitCodeList = {"0:whole", "1:cut, damaged or no log", "2:wrong usage"},
      footerHeading = "%nExample:%n",
      footer = "  lockstep log verify boot.log")
  int verify(
      @Parameters(paramLabel = "FILE", description = "The log.") Path file,
      @Option(names = "--json", description = "Print a JSON object.") boolean json)
      throws CommandFailure {
    try (LogReader log = LogReader.open(file)) {
      LogStatistics statistics = LogStatistics.of(log);
      PrintWriter out = spec.commandLine().getOut();
      String finding = log.cut().orElse("whole");
      out.println(
          json
              ? Json.of(
                  Map.of(
                      "complete", log.cut().isEmpty(),
                      "entries", statistics.entries(),
                      "finding", finding))
              : "%s: %s, %d entries".formatted(file, finding, statistics.entries()));
      out.flush();
      return log.cut().isEmpty() ? ExitCode.DONE : ExitCode.FAILED;
    } catch (IOException e) {
      throw ReplayedRun.failure(file, e);
    }
  }
}
