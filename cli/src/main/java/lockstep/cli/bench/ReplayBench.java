package lockstep.cli.bench;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.cli.bench.BenchCommand.Figure;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.run.LocalRun;
import lockstep.cli.run.PlacementWord;
import lockstep.cli.run.RecordedRun;
import lockstep.cli.run.ReplayedRun;
import lockstep.cli.run.SnapshotFile;
import lockstep.cli.run.Start;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogHeader;
import lockstep.replay.log.LogReader;
import lockstep.replay.log.LogStatistics;
import lockstep.replay.log.LogWriter;
import lockstep.replay.log.MachineDigests;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;

/**
 * What recording costs and how fast a replay is: guests with a fixed amount of work run unrecorded,
 * recorded and replayed in turn, and an idle Linux runs and is recorded for some seconds and
 * replayed.
 */
final class ReplayBench {
  private static final int ROUNDS = 5;
  private static final int DIGESTS = 15;
  private static final int IDLE_SECONDS = 10;
  private static final int BOOT_LIMIT_SECONDS = 180;

  /** A recorded guest should keep this much of its speed. */
  private static final double SPEED_GOAL = 0.97;

  /** A replay should be at least as fast as the recording. */
  private static final double REPLAY_GOAL = 1.0;

  /** An idle guest's time is skipped. */
  private static final double IDLE_GOAL = 20;

  private static final double IDLE_LOG_GOAL = 12_000;
  private static final ConsoleSink NOWHERE = value -> {};

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

  /** Measures; takes about three minutes. */
  static List<Figure> run(Consumer<String> notes) throws Exception {
    try (BenchWork work = BenchWork.open();
        Kvm kvm = Kvm.open()) {
      ReplayBench bench = new ReplayBench(kvm, work.directory());
      List<Figure> figures = new ArrayList<>();
      for (Map.Entry<String, String> guest :
          List.of(
              Map.entry("compute kib=2560", "CPU-bound"),
              Map.entry("ports accesses=150000", "exit-bound"))) {
        notes.accept(guest.getKey() + ": unrecorded, recorded, replayed, " + ROUNDS + " times");
        figures.addAll(bench.fixedWork(guest.getKey(), guest.getValue()));
      }
      notes.accept("linux: idle, unrecorded and recorded, and once for " + IDLE_SECONDS + " s");
      figures.addAll(bench.idle());
      notes.accept("echo: idle without a timer for " + IDLE_SECONDS + " s");
      figures.add(bench.tickless());
      return figures;
    }
  }

  private List<Figure> fixedWork(String name, String kind) throws Exception {
    double[] unrecorded = new double[ROUNDS];
    double[] recorded = new double[ROUNDS];
    double[] replayed = new double[ROUNDS];
    Path log = directory.resolve("work.log");
    for (int round = 0; round < ROUNDS; round++) {
      LocalRun plainRun = new LocalRun(Optional.empty(), line -> {});
      plainRun.run(kvm, BenchGuest.boot(quirks, name), NOWHERE);
      unrecorded[round] = plainRun.ranNanos() / 1e9;
      RecordedRun recordedRun = new RecordedRun();
      record(BenchGuest.boot(quirks, name), log, recordedRun);
      recorded[round] = recordedRun.ranNanos() / 1e9;
      replayed[round] = replay(log);
    }
    return List.of(
        speed("recorded, " + kind, recorded, unrecorded, SPEED_GOAL),
        speed("replayed, " + kind, replayed, recorded, REPLAY_GOAL));
  }

  /** Medians of times beside their peers'; that of the ratios compares only runs of one round. */
  private static Figure speed(String name, double[] seconds, double[] peerSeconds, double goal) {
    double[] ratios = new double[seconds.length];
    for (int i = 0; i < ratios.length; i++) {
      ratios[i] = peerSeconds[i] / seconds[i];
    }
    return new Figure(
        name,
        Medians.of(seconds) * 1e3,
        "ms",
        Optional.of(Medians.of(peerSeconds) * 1e3),
        Optional.of(Medians.of(ratios)),
        Optional.of(goal),
        true);
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
    booting.run(kvm, BenchGuest.boot(quirks, "linux"), new StopsAt("lockstep# ", booting));
    double digestMillis = digestMillis(file);
    Figure cost = idleCost(file);
    Path log = directory.resolve("idle.log");
    double cpuSeconds;
    try (SnapshotFile.Reading reading = file.read()) {
      double before = cpuSeconds();
      recordIdle(new Start.Restore(reading), log);
      cpuSeconds = cpuSeconds() - before;
    }
    long start = System.nanoTime();
    double seconds = replay(log);
    double wholeSeconds = (System.nanoTime() - start) / 1e9;
    LogStatistics statistics;
    try (LogReader reader = LogReader.open(log)) {
      statistics = LogStatistics.of(reader);
    }
    List<Figure> figures = new ArrayList<>();
    figures.add(cost);
    figures.add(
        new Figure(
            "idle log",
            statistics.entryBytesPerSecond(),
            "bytes/s",
            Optional.empty(),
            Optional.empty(),
            Optional.of(IDLE_LOG_GOAL),
            false));
    statistics
        .kinds()
        .forEach(
            (kind, count) ->
                figures.add(
                    plain(
                        "idle log, " + words(kind),
                        count.bytes() / statistics.guestSeconds(),
                        "bytes/s")));
    figures.addAll(
        List.of(
            speed("replayed, idle", seconds, statistics.guestSeconds(), IDLE_GOAL),
            new Figure(
                "replayed, idle, of CPU",
                seconds * 1e3,
                "ms",
                Optional.of(cpuSeconds * 1e3),
                Optional.of(cpuSeconds / seconds),
                Optional.empty()),
            plain("replay, start and end", (wholeSeconds - seconds) * 1e3, "ms"),
            plain("digest cost", digestMillis, "ms"),
            plain(
                "digest cost, share",
                digestMillis * 1e8 / RecordOptions.DEFAULT_MACHINE_DIGEST_NANOS,
                "% of a run")));
    return figures;
  }

  /**
   * What recording costs a guest whose time passes by itself: the CPU time that its ticks take in
   * the same time, recorded beside unrecorded.
   */
  private Figure idleCost(SnapshotFile file) throws Exception {
    double[] unrecorded = new double[ROUNDS];
    double[] recorded = new double[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      try (SnapshotFile.Reading reading = file.read()) {
        LocalRun run = new LocalRun(Optional.empty(), line -> {});
        CompletableFuture<Double> sample = IdleCpu.sample(run::cpuNanos, run::stop);
        run.run(kvm, new Start.Restore(reading), NOWHERE);
        unrecorded[round] = sample.join();
      }
      try (SnapshotFile.Reading reading = file.read()) {
        RecordedRun run = new RecordedRun();
        CompletableFuture<Double> sample = IdleCpu.sample(run::cpuNanos, run::stop);
        record(new Start.Restore(reading), directory.resolve("cost.log"), run);
        recorded[round] = sample.join();
      }
    }
    return speed("recorded, idle, of CPU", recorded, unrecorded, SPEED_GOAL);
  }

  private static String words(LogEntry.Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  /** A guest that has no timer at all: nothing but the recording's own work remains. */
  private Figure tickless() throws Exception {
    Path log = directory.resolve("tickless.log");
    double recorded = recordIdle(BenchGuest.boot(quirks, "echo"), log);
    return speed("replayed, no tick", replay(log), recorded, IDLE_GOAL);
  }

  /** Records a guest that nobody asks for anything; for how many seconds it ran. */
  private double recordIdle(Start start, Path log) throws Exception {
    RecordedRun run = new RecordedRun();
    CompletableFuture<Void> stop =
        CompletableFuture.runAsync(
            run::stop, CompletableFuture.delayedExecutor(IDLE_SECONDS, TimeUnit.SECONDS));
    record(start, log, run);
    stop.join();
    return run.ranNanos() / 1e9;
  }

  /** What this process has used. */
  private static double cpuSeconds() {
    return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toNanos() / 1e9;
  }

  private static Figure plain(String name, double value, String unit) {
    return new Figure(name, value, unit, Optional.empty(), Optional.empty(), Optional.empty());
  }

  /** What the digest of a machine with an idle Linux takes, its memory in the caches. */
  private double digestMillis(SnapshotFile file) throws Exception {
    try (SnapshotFile.Reading reading = file.read()) {
      Start start = new Start.Restore(reading);
      HostInputs host =
          new HostInputs(new InputQueue(), MachineLayout.TIMERS, start.clockNanos(), nanos -> {});
      try (Machine machine =
          Machine.create(
              kvm,
              start.origin(kvm.supportedCpuid()),
              new LiveInputs(host),
              OutputSink.console(NOWHERE))) {
        start.into(machine);
        double[] millis = new double[DIGESTS];
        for (int i = 0; i < DIGESTS; i++) {
          long before = System.nanoTime();
          MachineDigests.of(machine.position().machine());
          millis[i] = (System.nanoTime() - before) / 1e6;
        }
        return Medians.of(millis);
      }
    }
  }

  /** Stops the guest when it prints a text. */
  private static final class StopsAt implements ConsoleSink {
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

  /** Replays, and says for how many seconds the guest ran. */
  private static double replay(Path log) throws Exception {
    try (LogReader reader = LogReader.open(log)) {
      ReplayedRun run = new ReplayedRun(log, line -> {});
      ReplayOutcome outcome = run.replay(reader, ReplayOptions.toTheEnd(), NOWHERE);
      if (outcome instanceof ReplayOutcome.Diverged diverged) {
        throw new CommandFailure(diverged.divergence().headline(), "report it");
      }
      return run.ranNanos() / 1e9;
    }
  }
}
