package lockstep.testvms;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import lockstep.testvms.FaultyPair.Survivor;

/**
 * A file with the results of faults that were injected, one a line, so that a campaign may be run
 * in slices: {@code KIND TAB SURVIVOR TAB MILLIS TAB complaint}.
 */
final class FaultResults {
  /** How a result without a survivor is written. */
  private static final String NONE = "NONE";

  private final Path file;
  private final List<Result> results = new ArrayList<>();

  /**
   * One injection.
   *
   * @param survivor which side went on, or {@code NONE}
   * @param millis until the world saw new output: from the fault to the survivor's first byte, or
   *     the longest silence of a side that went on
   * @param complaint what was wrong; empty if nothing was
   */
  record Result(Fault fault, String survivor, double millis, String complaint) {
    static Result recovered(Fault fault, Survivor survivor, double millis) {
      return new Result(fault, survivor.name(), millis, "");
    }

    static Result failed(Fault fault, String complaint) {
      String line = complaint.lines().findFirst().orElse("").replace('\t', ' ');
      return new Result(fault, NONE, 0, line.isEmpty() ? "failed" : line);
    }

    boolean isRecovered() {
      return complaint.isEmpty();
    }

    private String line() {
      return "%s\t%s\t%.1f\t%s".formatted(fault, survivor, millis, complaint);
    }

    private static Result parse(String line) {
      String[] words = line.split("\t", -1);
      return new Result(Fault.valueOf(words[0]), words[1], Double.parseDouble(words[2]), words[3]);
    }
  }

  /** Reads what is there. */
  FaultResults(Path file) throws IOException {
    this.file = file;
    if (Files.exists(file)) {
      for (String line : Files.readAllLines(file)) {
        results.add(Result.parse(line));
      }
    }
  }

  /** Adds one; it is in the file when this returns. */
  void add(Result result) throws IOException {
    results.add(result);
    Files.writeString(
        file, result.line() + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  List<Result> all() {
    return List.copyOf(results);
  }

  /** How many there are of a kind. */
  int count(Fault fault) {
    return (int) results.stream().filter(result -> result.fault() == fault).count();
  }

  /** Those of each kind that there are any of. */
  private Map<Fault, List<Result>> byKind() {
    Map<Fault, List<Result>> kinds = new EnumMap<>(Fault.class);
    results.forEach(
        result -> kinds.computeIfAbsent(result.fault(), kind -> new ArrayList<>()).add(result));
    return kinds;
  }

  /** A table for docs/, in Markdown. */
  String table() {
    StringBuilder text =
        new StringBuilder(
            """
            | fault | injections | recovered | continued at | p50, ms | p99, ms | max, ms |
            |---|---|---|---|---|---|---|
            """);
    byKind().forEach((fault, some) -> text.append(row(words(fault), some)));
    text.append(row("all", results));
    return text.toString();
  }

  private static String row(String name, List<Result> some) {
    long recovered = some.stream().filter(Result::isRecovered).count();
    double[] millis = millis(some);
    return String.format(
        Locale.ROOT,
        "| %s | %d | %d | %s | %.0f | %.0f | %.0f |%n",
        name,
        some.size(),
        recovered,
        survivors(some),
        quantile(millis, 0.5),
        quantile(millis, 0.99),
        quantile(millis, 1));
  }

  private static String survivors(List<Result> some) {
    List<String> parts = new ArrayList<>();
    for (Survivor survivor : Survivor.values()) {
      long count = some.stream().filter(r -> r.survivor().equals(survivor.name())).count();
      if (count > 0) {
        parts.add(survivor.name().toLowerCase(Locale.ROOT) + " " + count);
      }
    }
    return String.join(", ", parts);
  }

  private static double[] millis(List<Result> some) {
    return some.stream().filter(Result::isRecovered).mapToDouble(Result::millis).sorted().toArray();
  }

  /** The value that so great a part of the sorted ones does not exceed; 0 for none. */
  static double quantile(double[] sorted, double part) {
    if (sorted.length == 0) {
      return 0;
    }
    int at = (int) Math.ceil(part * sorted.length) - 1;
    return sorted[Math.max(0, at)];
  }

  private static String words(Fault fault) {
    return fault.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  /** A picture: for each kind a bar from p50 to the longest time, on a scale of powers of ten. */
  String picture() {
    Map<Fault, List<Result>> kinds = byKind();
    int height = FaultPicture.heightFor(kinds.size());
    FaultPicture picture = new FaultPicture(height);
    kinds.forEach(
        (fault, some) -> {
          double[] millis = millis(some);
          picture.bar(
              "%s (%d)".formatted(words(fault), some.size()),
              quantile(millis, 0.5),
              quantile(millis, 0.99),
              quantile(millis, 1));
        });
    return picture.svg();
  }
}
