package lockstep.replay.ft;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Runs many worlds on all cores and says what happened in them; docs/adr/0004-simulated-time.md
 * names the commands. Each core has a JVM of its own: threads of two worlds in one JVM could meet
 * in a lock of the JDK, and no seed would reproduce that.
 */
final class SimScan {
  /** Worlds of one kind; made by its constructor without parameters, in each JVM. */
  interface Worlds {
    /**
     * A whole world.
     *
     * @throws AssertionError when a promise is broken
     */
    SimCluster run(SimWorld world);
  }

  /** Names for the command line. */
  private static final Map<String, String> KINDS =
      Map.of(
          "stand-in", "lockstep.replay.ft.FtSimulationTest$Worlds",
          "scsi", "lockstep.replay.ft.PairOnScsiSimulationTest$Worlds",
          "lease", "lockstep.replay.ft.PairOnLeaseSimulationTest$Worlds");

  /** As the tests' JVM in pom.xml. */
  private static final List<String> FLAGS =
      List.of(
          "--enable-native-access=ALL-UNNAMED",
          "-Xmx1g",
          "-XX:+UseSerialGC",
          "-Dslf4j.internal.verbosity=ERROR",
          "--add-opens=java.base/java.lang=ALL-UNNAMED",
          "-Djdk.trackAllThreads=false");

  private static final long PROGRESS_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final String SEPARATOR = "\t";
  private static final String WORKER = "--worker";

  private final String worlds;
  private final long first;
  private final long count;
  private final SimTally tally = new SimTally();
  private final List<String> failures = new ArrayList<>();
  private final long begun = System.nanoTime();
  private long saidNanos = begun;
  private long done;

  private SimScan(String worlds, long first, long count) {
    this.worlds = worlds;
    this.first = first;
    this.count = count;
  }

  /** {@code KIND FIRST-SEED WORLDS [JVMS]}, with a kind of {@link #KINDS}. */
  public static void main(String[] args) throws Exception {
    if (args.length > 0 && args[0].equals(WORKER)) {
      work(args[1], Long.parseLong(args[2]), Long.parseLong(args[3]), Long.parseLong(args[4]));
      return;
    }
    Optional<String> kind =
        args.length < 3 ? Optional.empty() : Optional.ofNullable(KINDS.get(args[0]));
    if (kind.isEmpty()) {
      System.err.println("usage: SimScan stand-in|scsi|lease FIRST-SEED WORLDS [JVMS]");
      System.exit(2);
      return;
    }
    int jvms = args.length > 3 ? Integer.parseInt(args[3]) : cores();
    try {
      var unused = scan(kind.get(), Long.parseLong(args[1]), Long.parseLong(args[2]), jvms);
    } catch (AssertionError e) {
      System.exit(1);
    }
  }

  private static int cores() {
    return Runtime.getRuntime().availableProcessors();
  }

  /**
   * For a long test: {@code -Dsim.first=SEED -Dsim.worlds=N -Dsim.jvms=N} choose other ones.
   *
   * @throws AssertionError when a world is wrong
   */
  static SimTally scan(Class<? extends Worlds> worlds, long count)
      throws IOException, InterruptedException {
    return scan(
        worlds.getName(),
        Long.getLong("sim.first", 1_000_000),
        Long.getLong("sim.worlds", count),
        Integer.getInteger("sim.jvms", cores()));
  }

  private static SimTally scan(String worlds, long first, long count, int jvms)
      throws IOException, InterruptedException {
    SimScan scan = new SimScan(worlds, first, count);
    List<Process> workers = new ArrayList<>();
    List<Thread> readers = new ArrayList<>();
    try {
      for (int i = 0; i < jvms; i++) {
        Process worker = scan.worker(i, jvms);
        workers.add(worker);
        readers.add(Thread.ofPlatform().start(() -> scan.listen(worker)));
      }
      for (Thread reader : readers) {
        reader.join();
      }
    } finally {
      workers.forEach(Process::destroy);
    }
    return scan.result();
  }

  private Process worker(int number, int of) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(FLAGS);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(SimScan.class.getName(), WORKER, worlds));
    command.addAll(List.of(String.valueOf(first + number), String.valueOf(first + count), "" + of));
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  // The parent's part.

  private void listen(Process worker) {
    try (BufferedReader from = worker.inputReader(StandardCharsets.UTF_8)) {
      String line = from.readLine();
      while (line != null) {
        hear(line.split(SEPARATOR, 3));
        line = from.readLine();
      }
      int code = worker.waitFor();
      if (code != 0) {
        failed("a JVM has ended with code " + code);
      }
    } catch (IOException | InterruptedException e) {
      failed("a JVM is not heard any more: " + e);
    }
  }

  private synchronized void hear(String[] words) {
    switch (words[0]) {
      case "done" -> {
        done += Long.parseLong(words[1]);
        long now = System.nanoTime();
        if (now - saidNanos >= PROGRESS_NANOS) {
          saidNanos = now;
          System.out.println(summary());
        }
      }
      case "failed" -> failed("seed " + words[1] + ": " + words[2]);
      case "count" -> tally.count(words[2], Long.parseLong(words[1]));
      default -> failed("a JVM says " + String.join(" ", words));
    }
  }

  private synchronized void failed(String what) {
    failures.add(what);
    System.out.println("FAILED " + what);
  }

  private synchronized String summary() {
    double seconds = (System.nanoTime() - begun) / 1e9;
    return "%s: %d of %d worlds from seed %d in %.0f s, %.1f worlds/s, %d failures"
        .formatted(worlds, done, count, first, seconds, done / seconds, failures.size());
  }

  private synchronized SimTally result() {
    if (done != count) {
      failed("%d worlds were run, of %d".formatted(done, count));
    }
    System.out.println(summary());
    System.out.print(tally);
    if (!failures.isEmpty()) {
      throw new AssertionError(String.join("\n", failures));
    }
    return tally;
  }

  // A worker's part.

  private static void work(String name, long from, long to, long step) throws Exception {
    PrintStream parent = System.out;
    // What the node says to its user, in thousands of worlds.
    System.setOut(new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));
    System.setErr(System.out);
    var constructor = Class.forName(name).getDeclaredConstructor();
    constructor.setAccessible(true);
    Worlds worlds = (Worlds) constructor.newInstance();
    SimTally tally = new SimTally();
    long told = 0;
    long seed = from;
    for (long run = 1; seed < to; run++) {
      one(worlds, seed, tally, parent);
      seed += step;
      if (run % 100 == 0 || seed >= to) {
        parent.println("done" + SEPARATOR + (run - told));
        told = run;
      }
    }
    tally
        .counts()
        .forEach(
            (what, count) -> parent.println(String.join(SEPARATOR, "count", "" + count, what)));
    parent.flush();
  }

  /** Whatever a world throws is its failure, and the next one begins. */
  private static void one(Worlds worlds, long seed, SimTally tally, PrintStream parent) {
    try {
      tally.add(worlds.run(new SimWorld(seed)));
    } catch (Throwable e) {
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      String prefix = e instanceof AssertionError ? "" : e.getClass().getName() + ": ";
      parent.println(String.join(SEPARATOR, "failed", "" + seed, prefix + reason));
    }
  }
}
