package lockstep.testvms;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import lockstep.testvms.FaultResults.Result;

/**
 * Many injections, in slices: {@code test-vms/fault-campaign}. Each slice goes on where the results
 * file ends, with the kind that there are the fewest of, and stops when its time is over.
 */
final class FaultCampaign {
  private static final int MOST_MILLIS = 2_000;

  private final FaultResults results;
  private final Path directory;

  /** Those that have begun. Guarded by this. */
  private final List<Fault> running = new ArrayList<>();

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
    Path own = Files.createTempDirectory(directory, "pair-");
    try (TwoHosts hosts = new TwoHosts();
        FaultyPair pair = new FaultyPair(own, hosts, random, fault)) {
      Thread.sleep(random.nextInt(MOST_MILLIS));
      return pair.suffer();
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception | AssertionError e) {
      System.out.println(e.getMessage());
      return Result.failed(fault, "seed %d: %s".formatted(seed, e.getMessage()));
    } finally {
      remove(own);
    }
  }

  /** A pair that failed may have left something. */
  private static void remove(Path directory) throws IOException {
    try (Stream<Path> all = Files.walk(directory)) {
      for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(one);
      }
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
    for (Optional<Fault> next = begin(rounds, untilNanos, kinds);
        next.isPresent();
        next = begin(rounds, untilNanos, kinds)) {
      add(inject(next.get(), seeds.nextLong()));
    }
  }

  /** The kind that there are the fewest of, those that run now among them; empty at the end. */
  private synchronized Optional<Fault> begin(int rounds, long untilNanos, List<Fault> kinds) {
    if (results.all().size() + running.size() >= rounds || System.nanoTime() >= untilNanos) {
      return Optional.empty();
    }
    Fault fault =
        kinds.stream()
            .min(Comparator.comparingInt(kind -> results.count(kind) + running(kind)))
            .orElseThrow();
    running.add(fault);
    return Optional.of(fault);
  }

  private int running(Fault kind) {
    return Collections.frequency(running, kind);
  }

  private synchronized void add(Result result) throws IOException {
    running.remove(result.fault());
    results.add(result);
    System.out.printf(
        "%4d %s: %s%n",
        results.all().size(),
        result.fault(),
        result.isRecovered()
            ? "%s, %.1f ms".formatted(result.survivor(), result.millis())
            : "FAILED, " + result.complaint());
  }

  /**
   * The same with several pairs at a time: most of an injection is waiting.
   *
   * @param pairs how many
   */
  void run(int rounds, long untilNanos, List<Fault> kinds, int pairs) throws Exception {
    try (ExecutorService threads = Executors.newFixedThreadPool(pairs)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < pairs; i++) {
        all.add(
            threads.submit(
                () -> {
                  run(rounds, untilNanos, new Random(), kinds);
                  return null;
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
    }
  }

  /** See the script. */
  public static void main(String[] args) throws Exception {
    int rounds = 1_000;
    int minutes = 60;
    int pairs = 1;
    Optional<Path> report = Optional.empty();
    List<Fault> kinds = List.of(Fault.values());
    List<String> words = new ArrayList<>(List.of(args));
    Path file = Path.of(words.removeFirst());
    while (!words.isEmpty()) {
      String option = words.removeFirst();
      switch (option) {
        case "--rounds" -> rounds = Integer.parseInt(words.removeFirst());
        case "--minutes" -> minutes = Integer.parseInt(words.removeFirst());
        case "--pairs" -> pairs = Integer.parseInt(words.removeFirst());
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
        new FaultCampaign(results, directory).run(rounds, untilNanos, kinds, pairs);
      } finally {
        Files.delete(directory);
      }
    }
    System.out.print(results.table());
    long failed = results.all().stream().filter(result -> !result.isRecovered()).count();
    System.exit(failed == 0 ? 0 : 1);
  }
}
