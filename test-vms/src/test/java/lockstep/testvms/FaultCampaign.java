package lockstep.testvms;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import lockstep.testvms.FaultResults.Result;
import lockstep.testvms.FaultyPair.Fault;

/**
 * Many injections, in slices: {@code test-vms/fault-campaign}. Each slice goes on where the results
 * file ends, with the kind that there are the fewest of, and stops when its time is over.
 */
final class FaultCampaign {
  private static final int MOST_MILLIS = 2_000;

  private final FaultResults results;
  private final Path directory;

  /**
   * @param results where the results are added
   * @param directory for the disks of the pairs; nothing stays there
   */
  FaultCampaign(FaultResults results, Path directory) {
    this.results = results;
    this.directory = directory;
  }

  /** One injection, under a seed. */
  Result inject(Fault fault, long seed) throws IOException, InterruptedException {
    Random random = new Random(seed);
    try (TwoHosts hosts = new TwoHosts();
        FaultyPair pair = new FaultyPair(directory, hosts, random, fault)) {
      Thread.sleep(random.nextInt(MOST_MILLIS));
      return pair.suffer();
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception | AssertionError e) {
      System.out.println(e.getMessage());
      return Result.failed(fault, "seed %d: %s".formatted(seed, e.getMessage()));
    }
  }

  /**
   * Injects until there are so many results, or the time is over.
   *
   * @param rounds how many there are to be, those of earlier slices among them
   * @param untilNanos the end of this slice, by System.nanoTime
   */
  void run(int rounds, long untilNanos, Random seeds) throws IOException, InterruptedException {
    run(rounds, untilNanos, seeds, List.of(Fault.values()));
  }

  /** The same with some kinds alone. */
  void run(int rounds, long untilNanos, Random seeds, List<Fault> kinds)
      throws IOException, InterruptedException {
    while (results.all().size() < rounds && System.nanoTime() < untilNanos) {
      Fault fault = kinds.stream().min(Comparator.comparingInt(results::count)).orElseThrow();
      Result result = inject(fault, seeds.nextLong());
      results.add(result);
      System.out.printf(
          "%4d %s: %s%n",
          results.all().size(),
          fault,
          result.isRecovered()
              ? "%s, %.1f ms".formatted(result.survivor(), result.millis())
              : "FAILED, " + result.complaint());
    }
  }

  /** See the script. */
  public static void main(String[] args) throws Exception {
    int rounds = 1_000;
    int minutes = 60;
    Optional<Path> report = Optional.empty();
    List<Fault> kinds = List.of(Fault.values());
    List<String> words = new ArrayList<>(List.of(args));
    Path file = Path.of(words.removeFirst());
    while (!words.isEmpty()) {
      String option = words.removeFirst();
      switch (option) {
        case "--rounds" -> rounds = Integer.parseInt(words.removeFirst());
        case "--minutes" -> minutes = Integer.parseInt(words.removeFirst());
        case "--kinds" ->
            kinds = Stream.of(words.removeFirst().split(",")).map(Fault::valueOf).toList();
        case "--report" -> report = Optional.of(Path.of(words.removeFirst()));
        default -> throw new IllegalArgumentException("unknown option " + option);
      }
    }
    FaultResults results = new FaultResults(file);
    if (report.isPresent()) {
      Files.writeString(report.get().resolve("fault-campaign.svg"), results.picture());
    } else {
      Path directory = Files.createTempDirectory("lockstep-campaign-");
      try {
        long untilNanos = System.nanoTime() + minutes * 60_000_000_000L;
        new FaultCampaign(results, directory).run(rounds, untilNanos, new Random(), kinds);
      } finally {
        Files.delete(directory);
      }
    }
    System.out.print(results.table());
    long failed = results.all().stream().filter(result -> !result.isRecovered()).count();
    System.exit(failed == 0 ? 0 : 1);
  }
}
