package lockstep.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import lockstep.cli.BenchCommand.Figure;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.replay.log.LogHeader;
import lockstep.replay.log.LogReader;
import lockstep.replay.log.LogStatistics;
import lockstep.replay.log.LogWriter;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;

/**
 * What recording costs and how fast a replay is: guests with a fixed amount of work run unrecorded,
 * recorded and replayed in turn, and an idle Linux is recorded for some seconds and replayed.
 */
final class ReplayBench {
  private static final int ROUNDS = 5;
  private static final int IDLE_SECONDS = 10;
  private static final int BOOT_LIMIT_SECONDS = 180;

  /** A recorded guest should keep this much of its speed. */
  private static final double SPEED_GOAL = 0.97;

  /** A replay should be at least as fast as the recording. */
  private static final double REPLAY_GOAL = 1.0;

  /** An idle guest's time is skipped. */
  private static final double IDLE_GOAL = 20;

  private static final double IDLE_LOG_GOAL = 12_000;
  private static final OutputSink NOWHERE = value -> {};

  private final Kvm kvm;
  private final QuirkSet quirks;
  private final RecordOptions options;
  private final Path directory;

  private ReplayBench(Kvm kvm, Path directory) throws Exception {
    this.kvm = kvm;
    this.quirks = QuirkProbe.probe(kvm);
    this.options = PlacementWord.AUTO.options(kvm, RecordOptions.DEFAULT_MAX_INPUT_DELAY_NANOS);
    this.directory = directory;
  }

  /** Measures; takes about a minute. */
  static List<Figure> run(Consumer<String> notes) throws Exception {
    Path directory = Files.createTempDirectory("lockstep-bench");
    try (Kvm kvm = Kvm.open()) {
      ReplayBench bench = new ReplayBench(kvm, directory);
      List<Figure> figures = new ArrayList<>();
      for (Map.Entry<String, String> guest :
          List.of(Map.entry("compute", "CPU-bound"), Map.entry("ports", "exit-bound"))) {
        notes.accept(guest.getKey() + ": unrecorded, recorded, replayed, " + ROUNDS + " times");
        figures.addAll(bench.fixedWork(guest.getKey(), guest.getValue()));
      }
      notes.accept("linux: idle for " + IDLE_SECONDS + " s");
      figures.addAll(bench.idle());
      return figures;
    } finally {
      try (Stream<Path> files = Files.walk(directory)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  private Start boot(String name) throws BootException {
    BuiltInGuest guest =
        GuestList.find(name)
            .orElseThrow(() -> new BootException("guest " + name, "is not here", "install it"));
    BuiltInGuest.Files files = guest.source().files(line -> {});
    RewriteOptions rewrite =
        new RewriteOptions(
            OptionalInt.of(MachineLayout.CLOCK_PORT),
            OptionalInt.of(MachineLayout.CLOCK_AUX_PORT),
            quirks.rewriteCpuid() ? OptionalInt.of(MachineLayout.CPUID_PORT) : OptionalInt.empty());
    BootConfig config =
        BootConfig.of(guest.memoryBytes(), guest.commandLine()).withRewrite(rewrite);
    BootImage image =
        BootImages.load(
            files.kernel(),
            files.initrd().isPresent() ? config.withInitrd(files.initrd().get()) : config);
    return new Start.Boot(
        new MachineConfig(guest.memoryBytes(), CpuModel.Kind.DETERMINISTIC, 0), quirks, image);
  }

  private List<Figure> fixedWork(String name, String kind) throws Exception {
    double[] unrecorded = new double[ROUNDS];
    double[] recorded = new double[ROUNDS];
    double[] replayed = new double[ROUNDS];
    Path log = directory.resolve(name + ".log");
    for (int round = 0; round < ROUNDS; round++) {
      Start start = boot(name);
      unrecorded[round] =
          seconds(() -> new LocalRun(Optional.empty(), line -> {}).run(kvm, start, NOWHERE));
      Start again = boot(name);
      recorded[round] = seconds(() -> record(again, log, new RecordedRun()));
      replayed[round] = seconds(() -> replay(log));
    }
    double plain = median(unrecorded);
    double recording = median(recorded);
    double replay = median(replayed);
    return List.of(
        speed("recorded, " + kind, recording, plain, SPEED_GOAL),
        speed("replayed, " + kind, replay, recording, REPLAY_GOAL));
  }

  /** A time beside its peer's; the ratio is that of the speeds. */
  private static Figure speed(String name, double seconds, double peerSeconds, double goal) {
    return new Figure(
        name,
        seconds * 1e3,
        "ms",
        Optional.of(peerSeconds * 1e3),
        Optional.of(peerSeconds / seconds),
        Optional.of(goal),
        true);
  }

  private List<Figure> idle() throws Exception {
    Path snapshot = directory.resolve("prompt.snap");
    SnapshotFile file = new SnapshotFile(snapshot, line -> {});
    LocalRun booting = new LocalRun(Optional.of(file), line -> {});
    booting.run(kvm, boot("linux"), new StopsAt("lockstep# ", booting));
    Path log = directory.resolve("idle.log");
    try (SnapshotFile.Reading reading = file.read()) {
      RecordedRun run = new RecordedRun();
      CompletableFuture<Boolean> stop =
          CompletableFuture.supplyAsync(
              run::stop, CompletableFuture.delayedExecutor(IDLE_SECONDS, TimeUnit.SECONDS));
      record(new Start.Restore(reading), log, run);
      stop.join();
    }
    double seconds = seconds(() -> replay(log));
    LogStatistics statistics;
    try (LogReader reader = LogReader.open(log)) {
      statistics = LogStatistics.of(reader);
    }
    return List.of(
        new Figure(
            "idle log",
            statistics.entryBytesPerSecond(),
            "bytes/s",
            Optional.empty(),
            Optional.empty(),
            Optional.of(IDLE_LOG_GOAL),
            false),
        speed("replayed, idle", seconds, statistics.guestSeconds(), IDLE_GOAL));
  }

  /** Stops the guest when it prints a text. */
  private static final class StopsAt implements OutputSink {
    private final byte[] text;
    private final LocalRun run;
    private final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(BOOT_LIMIT_SECONDS);
    private int matched;

    StopsAt(String text, LocalRun run) {
      this.text = text.getBytes(StandardCharsets.US_ASCII);
      this.run = run;
    }

    @Override
    public void consoleByte(int value) {
      matched = value == text[matched] ? matched + 1 : value == text[0] ? 1 : 0;
      if (matched == text.length || System.nanoTime() > deadline) {
        matched = 0;
        run.stop();
      }
    }
  }

  private void record(Start start, Path log, RecordedRun run) throws Exception {
    try (LogWriter writer = LogWriter.create(log, new LogHeader(Map.of()))) {
      run.run(kvm, start, NOWHERE, writer, options, InstructionCounter.none("a benchmark without"));
    }
  }

  private static void replay(Path log) throws Exception {
    try (LogReader reader = LogReader.open(log)) {
      ReplayOutcome outcome =
          new ReplayedRun(log, line -> {}).replay(reader, ReplayOptions.toTheEnd(), NOWHERE);
      if (outcome instanceof ReplayOutcome.Diverged diverged) {
        throw new CommandFailure(diverged.divergence().headline(), "report it");
      }
    }
  }

  /** Something to time. */
  private interface Work {
    void run() throws Exception;
  }

  private static double seconds(Work work) throws Exception {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e9;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
