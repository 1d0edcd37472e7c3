package lockstep.cli.bench;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.Json;
import lockstep.cli.process.Scratch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lockstep bench}: the benchmarks, as a table or as JSON. */
@Command(
    name = "bench",
    description = "Measure on this host, beside a peer in C where there is one.",
    footerHeading = "%nExample:%n",
    footer = {
      "  lockstep bench exits --json",
      "  lockstep bench replay",
      "  lockstep bench disk --quick",
      "  lockstep bench pair --json"
    })
public final class BenchCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(
      paramLabel = "NAME",
      description =
          "exits: guest exits a second, bytes allocated per exit, start-up. replay: speed of"
              + " recording and replay, log bytes. disk: requests a second of each kind of disk"
              + " beside C programs, of a guest beside QEMU. pair: what a backup costs, the log,"
              + " output latency, takeover, state transfer.")
  private Which which = Which.EXITS;

  @Option(
      names = "--json",
      description = "Print a JSON array of {name, value, unit, peer, ratio, goal, met}.")
  private boolean json;

  @Option(
      names = "--quick",
      description = "Of disk: measure so shortly that only the rows count, not their figures.")
  private boolean quick;

  @Option(
      names = "--rows",
      paramLabel = "PREFIX",
      description = "Of disk: only rows whose names begin so: file, 'iscsi 4K', guest.")
  private String rows = "";

  /** Only Picocli makes one. */
  BenchCommand() {}

  /** The benchmarks there are. */
  enum Which {
    EXITS,
    REPLAY,
    DISK,
    PAIR
  }

  /**
   * One figure.
   *
   * @param peer the same of the C program, if it was measured
   * @param ratio how this compares to the peer
   * @param goal the bound for the ratio, or without a peer for the value
   * @param atLeast whether the goal is the least; else it is the most
   */
  record Figure(
      String name,
      double value,
      String unit,
      Optional<Double> peer,
      Optional<Double> ratio,
      Optional<Double> goal,
      boolean atLeast) {
    /** A figure whose goal, if it has one, is the most. */
    Figure(
        String name,
        double value,
        String unit,
        Optional<Double> peer,
        Optional<Double> ratio,
        Optional<Double> goal) {
      this(name, value, unit, peer, ratio, goal, false);
    }

    Optional<Boolean> met() {
      return goal.map(
          limit -> atLeast ? ratio.orElse(value) >= limit : ratio.orElse(value) <= limit);
    }

    private Map<String, Object> json() {
      Map<String, Object> map = new LinkedHashMap<>();
      map.put("name", name);
      map.put("value", value);
      map.put("unit", unit);
      map.put("peer", peer);
      map.put("ratio", ratio);
      map.put("goal", goal);
      map.put("met", met());
      return map;
    }

    private String row() {
      return "%-30s %12.1f %-12s %12s %8s %8s  %s"
          .formatted(
              name,
              value,
              unit,
              peer.map("%.1f"::formatted).orElse("-"),
              ratio.map("%.3f"::formatted).orElse("-"),
              goal.map("%.2f"::formatted).orElse("-"),
              met().map(yes -> yes ? "yes" : "no").orElse("-"));
    }
  }

  private DiskBench.Plan plan() {
    DiskBench.Plan plan = (quick ? DiskBench.Plan.QUICK : DiskBench.Plan.FULL).of(rows);
    if (!plan.hasAny()) {
      throw new ParameterException(
          spec.commandLine(),
          "no row begins with '" + rows + "'; they begin with file, pair, dev, iscsi and guest");
    }
    return plan;
  }

  private List<Figure> measure(Consumer<String> notes) throws Exception {
    return switch (which) {
      case EXITS -> ExitsBench.run(notes);
      case REPLAY -> ReplayBench.run(notes);
      case DISK -> DiskBench.run(plan(), notes);
      case PAIR -> PairBench.run(notes);
    };
  }

  @Override
  public Integer call() throws Exception {
    if ((quick || !rows.isEmpty()) && which != Which.DISK) {
      throw new ParameterException(
          spec.commandLine(), "--quick and --rows are options of bench disk alone");
    }
    PrintWriter err = spec.commandLine().getErr();
    Consumer<String> notes = note -> err.println("lockstep bench: " + note);
    List<Figure> figures;
    try {
      figures = measure(notes);
    } catch (Exception e) {
      if (Scratch.processIsEnding()) {
        return ExitCode.FAILED;
      }
      throw e;
    }
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(figures.stream().map(Figure::json).toList()));
    } else {
      out.printf(
          "%-30s %12s %-12s %12s %8s %8s  %s%n",
          "name", "value", "unit", "peer", "ratio", "goal", "met");
      figures.forEach(figure -> out.println(figure.row()));
    }
    out.flush();
    return ExitCode.DONE;
  }
}
