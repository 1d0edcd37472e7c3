package lockstep.cli.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import lockstep.cli.bench.BenchCommand.Figure;
import lockstep.cli.bench.BenchPair.Backup;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.process.Scratch;

/**
 * What a backup costs, how fast it takes over and how fast it comes to be: real pairs of processes
 * on this host, each figure beside its peer in the same run.
 */
final class PairBench {
  private static final int ROUNDS = 5;
  private static final int TAKEOVERS = 7;

  /** A time-out that is short for a busy host ends pairs before they are to be ended. */
  private static final int TRIES = 3;

  private static final long TAKEOVER_SECONDS = 20;

  /** The first transaction behind which a primary is killed; some second after its start. */
  private static final int FIRST_KILLED = 200;

  private static final int TRANSFERS = 5;
  private static final int PINGS = 1_000;

  /** All the outputs that the primary's figures are of; fewer than a terminal's line holds. */
  private static final int TYPED = 2_100;

  private static final long PING_PACE_NANOS = 2_000_000;

  /** So that a busy host is not taken for a dead one while speeds are measured. */
  private static final int PATIENT_MILLIS = 5_000;

  /** A time-out for a quiet LAN: what is without traffic is heard of every 5 ms. */
  private static final int TUNED_MILLIS = 40;

  /**
   * Has something to say every few milliseconds: with its usual work, 50 ms where kernel code is
   * emulated, that is what would be measured.
   */
  private static final List<String> TALKATIVE = List.of("--guest", "bank", "--append", "work=200");

  /** VM-FT, table 1: 0.94 to 0.99. */
  private static final double SPEED_GOAL = 0.97;

  private static final double LATENCY_GOAL = 1.3;
  private static final double TAKEOVER_GOAL_MILLIS = 250;
  private static final double TUNED_GOAL_MILLIS = 60;
  private static final double TRANSFER_GOAL = 0.8;
  private static final double STOP_GOAL_MILLIS = 50;
  private static final int RANDOM_MIB = 256;
  private static final String PROMPT = "lockstep# ";
  private static final Pattern COPIED =
      Pattern.compile(
          "state of (\\d+) MiB copied in (\\d+) rounds, (\\d+) ms, (\\d+) KiB sent;"
              + " the guest stood for ([0-9.]+) ms");

  private final Scratch scratch;
  private final Consumer<String> notes;
  private final List<Figure> figures = new ArrayList<>();

  private PairBench(Scratch scratch, Consumer<String> notes) {
    this.scratch = scratch;
    this.notes = notes;
  }

  /** Measures; takes some four minutes. */
  static List<Figure> run(Consumer<String> notes) throws Exception {
    notes.accept(
        "primary, backup and bench share %d CPUs; on a host each, nothing but the log is shared"
            .formatted(Runtime.getRuntime().availableProcessors()));
    try (Scratch scratch = new Scratch("lockstep-bench")) {
      PairBench bench = new PairBench(scratch, notes);
      bench.linux();
      bench.transferOfRandomMemory();
      bench.takeovers();
      return bench.figures;
    }
  }

  /** One kind of work for a shell command of the tiny Linux. */
  private record Work(String name, String command) {}

  private static final List<Work> WORKS =
      List.of(
          new Work("CPU-bound", "burn 300"),
          new Work("kernel-bound", "forks 25"),
          new Work("console", "help"),
          new Work("disk", "bank /dev/vda 40"));

  /** Speeds, log, latency, transfer: two machines with the same Linux, one of them protected. */
  private void linux() throws Exception {
    List<String> guest = List.of("--guest", "linux");
    notes.accept("two Linux guests boot, one gets a backup");
    try (BenchPair alone = new BenchPair(scratch, "alone", Backup.NONE, Optional.empty(), guest);
        BenchPair pair =
            new BenchPair(scratch, "pair", Backup.LATER, Optional.of(PATIENT_MILLIS), guest)) {
      alone.await(PROMPT, 0);
      pair.await(PROMPT, 0);
      for (Work work : WORKS) {
        notes.accept("%s, alone and two VMs at once, %d times".formatted(work.name(), ROUNDS));
        sharing(work, alone, pair);
      }
      transferOfLinux(pair);
      for (Work work : WORKS) {
        notes.accept("%s, unprotected and protected, %d times".formatted(work.name(), ROUNDS));
        speed(work, alone, pair);
      }
      latency(pair);
    }
  }

  /**
   * What a second VM on the same CPUs costs by itself: a backup does the guest's work again, here
   * on the primary's host. Before there is one, both VMs are unprotected.
   */
  private void sharing(Work work, BenchPair one, BenchPair other) throws Exception {
    double[] alone = new double[ROUNDS];
    double[] both = new double[ROUNDS];
    seconds(work, one);
    seconds(work, other);
    for (int round = 0; round < ROUNDS; round++) {
      alone[round] = seconds(work, one);
      CompletableFuture<Double> beside = meanwhile(() -> seconds(work, other));
      both[round] = seconds(work, one);
      beside.get();
    }
    double plain = median(alone);
    double shared = median(both);
    add(
        new Figure(
            "two VMs at once, " + work.name(),
            shared * 1e3,
            "ms",
            Optional.of(plain * 1e3),
            Optional.of(plain / shared),
            Optional.empty()));
  }

  private static <T> CompletableFuture<T> meanwhile(Callable<T> work) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return work.call();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CompletionException(e);
          } catch (Exception e) {
            throw new CompletionException(e);
          }
        });
  }

  private void speed(Work work, BenchPair alone, BenchPair pair) throws Exception {
    double[] unprotected = new double[ROUNDS];
    double[] protectedOnes = new double[ROUNDS];
    // Once unmeasured: the first time pays for the guest's caches and the JVM's.
    seconds(work, alone);
    seconds(work, pair);
    long bytes = pair.number("sent_bytes");
    double inAll = 0;
    for (int round = 0; round < ROUNDS; round++) {
      unprotected[round] = seconds(work, alone);
      protectedOnes[round] = seconds(work, pair);
      inAll += protectedOnes[round];
    }
    bytes = pair.number("sent_bytes") - bytes;
    double plain = median(unprotected);
    double followed = median(protectedOnes);
    add(
        new Figure(
            "protected, " + work.name(),
            followed * 1e3,
            "ms",
            Optional.of(plain * 1e3),
            Optional.of(plain / followed),
            Optional.of(SPEED_GOAL),
            true));
    add(plain("log, " + work.name(), bytes / inAll / 1024, "KiB/s"));
  }

  /** From typing a command to the prompt behind its output. */
  private static double seconds(Work work, BenchPair in) throws Exception {
    int from = in.primary().consoleBytes();
    long start = System.nanoTime();
    in.primary().type(work.command() + "\n");
    return (in.await("\n" + PROMPT, from) - start) / 1e9;
  }

  private void latency(BenchPair pair) throws Exception {
    notes.accept("output latency, in bursts, then beside a TCP ping-pong at the same time");
    Work console = new Work("console", "help");
    int before = pair.primary().consoleBytes();
    while (pair.primary().consoleBytes() - before < TYPED) {
      seconds(console, pair);
    }
    add(plain("output latency in bursts p50", (double) pair.number("output_wait_p50_us"), "us"));
    CompletableFuture<Long> ping = meanwhile(() -> TcpPeer.pingPongNanos(PINGS, PING_PACE_NANOS));
    // One echoed byte at a time, as the pings are; a burst of them waits for its own beginning.
    for (int i = 0; i < TYPED; i++) {
      pair.primary().type("x");
      TimeUnit.NANOSECONDS.sleep(PING_PACE_NANOS);
    }
    double peer = ping.get() / 1e3;
    double added = pair.number("output_wait_p50_us");
    add(
        new Figure(
            "added output latency p50",
            added,
            "us",
            Optional.of(peer),
            Optional.of(added / peer),
            Optional.of(LATENCY_GOAL)));
    add(plain("added output latency p99", (double) pair.number("output_wait_p99_us"), "us"));
  }

  private void transferOfLinux(BenchPair pair) throws Exception {
    double[] mibPerSecond = new double[TRANSFERS];
    double[] peer = new double[TRANSFERS];
    double[] stood = new double[TRANSFERS];
    for (int i = 0; i < TRANSFERS; i++) {
      if (i > 0) {
        pair.detach();
      }
      pair.protect();
      MatchResult report = pair.note(COPIED, i + 1);
      double mib = Double.parseDouble(report.group(1));
      mibPerSecond[i] = mib * 1e3 / Math.max(1, Double.parseDouble(report.group(3)));
      stood[i] = Double.parseDouble(report.group(5));
      peer[i] = mib * 1e9 / TcpPeer.copyNanos((long) mib << 20);
    }
    add(transfer("transfer, Linux 64 MiB", median(mibPerSecond), median(peer)));
    add(
        new Figure(
            "stop for transfer",
            median(stood),
            "ms",
            Optional.empty(),
            Optional.empty(),
            Optional.of(STOP_GOAL_MILLIS)));
  }

  private static Figure transfer(String name, double mibPerSecond, double peer) {
    return new Figure(
        name,
        mibPerSecond,
        "MiB/s",
        Optional.of(peer),
        Optional.of(mibPerSecond / peer),
        Optional.of(TRANSFER_GOAL),
        true);
  }

  /** Memory that is neither zero nor to be compressed: every byte has to go. */
  private void transferOfRandomMemory() throws Exception {
    notes.accept("transfer of " + RANDOM_MIB + " MiB of random memory, " + TRANSFERS + " times");
    Path random = scratch.directory().resolve("random.bin");
    byte[] piece = new byte[1 << 20];
    Random source = new Random(1);
    try (var out = Files.newOutputStream(random)) {
      for (int i = 0; i < RANDOM_MIB; i++) {
        source.nextBytes(piece);
        out.write(piece);
      }
    }
    List<String> guest =
        List.of(
            "--guest", "echo", "--memory", RANDOM_MIB + 32 + "M", "--initrd", random.toString());
    double[] mibPerSecond = new double[TRANSFERS];
    double[] peer = new double[TRANSFERS];
    double[] fresh = new double[TRANSFERS];
    try (BenchPair pair =
        new BenchPair(scratch, "random", Backup.LATER, Optional.of(PATIENT_MILLIS), guest)) {
      pair.await("> ", 0);
      for (int i = 0; i < TRANSFERS; i++) {
        if (i > 0) {
          pair.detach();
        }
        pair.protect();
        MatchResult report = pair.note(COPIED, i + 1);
        double mib = Double.parseDouble(report.group(4)) / 1024;
        mibPerSecond[i] = mib * 1e3 / Math.max(1, Double.parseDouble(report.group(3)));
        long bytes = (long) (mib * 1024) << 10;
        peer[i] = mib * 1e9 / TcpPeer.copyNanos(bytes);
        fresh[i] = mib * 1e9 / TcpPeer.copyToFreshMemoryNanos(bytes);
      }
    }
    Files.delete(random);
    add(transfer("transfer, random memory", median(mibPerSecond), median(peer)));
    // A backup's memory is new to it, and some hosts take their time to give it.
    add(
        new Figure(
            "plain copy into new memory",
            median(fresh),
            "MiB/s",
            Optional.of(median(peer)),
            Optional.of(median(fresh) / median(peer)),
            Optional.empty()));
  }

  private void takeovers() throws Exception {
    takeover("kill to output, default", Optional.empty(), "KILL", TAKEOVER_GOAL_MILLIS);
    takeover("kill to output, tuned", Optional.of(TUNED_MILLIS), "KILL", TUNED_GOAL_MILLIS);
    takeover("silence to output, default", Optional.empty(), "STOP", TAKEOVER_GOAL_MILLIS);
    takeover("silence to output, tuned", Optional.of(TUNED_MILLIS), "STOP", TUNED_GOAL_MILLIS);
  }

  /**
   * From a signal to the primary to the survivor's first console byte.
   *
   * @param signal KILL: its kernel closes the channel, as when a process dies; STOP: nothing is
   *     heard any more, as when a host does
   */
  private void takeover(String name, Optional<Integer> timeout, String signal, double goalMillis)
      throws Exception {
    notes.accept("%s, %d times".formatted(name, TAKEOVERS));
    List<Double> millis = new ArrayList<>();
    Random random = new Random(TAKEOVERS);
    for (int i = 0; millis.size() < TAKEOVERS; i++) {
      if (i == TAKEOVERS * TRIES) {
        throw new CommandFailure(
            "the pair does not stay together until its primary is killed",
            "try again on a quieter machine");
      }
      try (BenchPair pair =
          new BenchPair(scratch, "takeover", Backup.FROM_START, timeout, TALKATIVE)) {
        if (!isProtectedAt(FIRST_KILLED + random.nextInt(FIRST_KILLED), pair)) {
          notes.accept("void: this host is too busy for that time-out");
          continue;
        }
        long start = System.nanoTime();
        pair.primary().signal(signal);
        if (pair.backup().awaitConsole("bank", 0, TAKEOVER_SECONDS)) {
          millis.add((pair.backup().firstByteNanos() - start) / 1e6);
        } else {
          notes.accept("void: the pair was over when its primary was killed");
        }
        pair.primary().kill();
      }
    }
    add(
        new Figure(
            name,
            median(millis.stream().mapToDouble(m -> m).toArray()),
            "ms",
            Optional.empty(),
            Optional.empty(),
            Optional.of(goalMillis)));
  }

  /** Waits for a transaction; whether the pair has held until then. */
  private static boolean isProtectedAt(int transaction, BenchPair pair) throws Exception {
    String line = "bank: " + transaction + "\r\n";
    try {
      return pair.primary().awaitConsole(line, 0, TAKEOVER_SECONDS)
          && "PROTECTED".equals(pair.status().get("state"));
    } catch (CommandFailure e) {
      return false; // It has ended: the backup goes on.
    }
  }

  /** Said at once, too: a run is long, and may fail later. */
  private void add(Figure figure) {
    figures.add(figure);
    notes.accept(
        "%s: %.1f %s%s"
            .formatted(
                figure.name(),
                figure.value(),
                figure.unit(),
                figure.ratio().map(", ratio %.3f"::formatted).orElse("")));
  }

  private static Figure plain(String name, double value, String unit) {
    return new Figure(name, value, unit, Optional.empty(), Optional.empty(), Optional.empty());
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
