package lockstep.cli.bench;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.cli.bench.BenchCommand.Figure;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.process.Programs;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;

/**
 * Guest exits through the whole dispatch (vCPU loop, bus, UART register) beside a minimal C loop
 * for the same guest, round by round in turn, so that both meet the same moods of the host.
 */
final class ExitsBench {
  private static final int EXITS = 50_000;
  private static final long MEMORY_BYTES = 2 << 20;
  private static final int WARM_UP_ROUNDS = 6;
  private static final int ROUNDS = 11;
  private static final int STARTS = 11;
  private static final double GOAL_RATIO = 1.05;
  private static final double GOAL_START_MILLIS = 125;

  /** Below this a round's own few objects show, not the exits: 0 per exit. */
  private static final double GOAL_BYTES = 0.5;

  /** Real mode: 50,000 writes to the UART's scratch register, then the exit port. */
  private static final int[] GUEST = {
    0xba,
    0xff,
    0x03, // mov dx, 0x3ff
    0xb9,
    EXITS & 0xff,
    EXITS >> 8, // mov cx, EXITS
    0xee, // again: out dx, al
    0xe2,
    0xfd, // loop again
    0x30,
    0xc0, // xor al, al
    0xe6,
    0xf4, // out 0xf4, al
    0xf4, // hlt
  };

  private ExitsBench() {}

  static List<Figure> run(Consumer<String> notes) throws Exception {
    try (BenchWork work = BenchWork.open();
        Kvm kvm = Kvm.open()) {
      byte[] image = image();
      QuirkSet quirks = QuirkProbe.probe(kvm);
      for (int i = 0; i < WARM_UP_ROUNDS; i++) {
        round(kvm, quirks, image);
      }
      Optional<BenchProgram> peer = peer(work, image, notes);
      List<Figure> figures = new ArrayList<>(exits(kvm, quirks, image, peer));
      startUp(notes).ifPresent(figures::add);
      return figures;
    }
  }

  private static byte[] image() {
    byte[] image = new byte[512];
    for (int i = 0; i < GUEST.length; i++) {
      image[i] = (byte) GUEST[i];
    }
    image[510] = 0x55;
    image[511] = (byte) 0xaa;
    return image;
  }

  /** One machine's life: nanoseconds and bytes allocated per exit. */
  private record Round(double nanos, double bytes) {}

  private static Round round(Kvm kvm, QuirkSet quirks, byte[] image) throws Exception {
    BootImage boot =
        BootImages.load(BootFile.of("bench guest", image), BootConfig.of(MEMORY_BYTES, ""));
    MachineConfig config = new MachineConfig(MEMORY_BYTES, CpuModel.Kind.DETERMINISTIC, 0);
    LiveInputs inputs =
        new LiveInputs(new HostInputs(new InputQueue(), MachineLayout.TIMERS, 0, deadline -> {}));
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Machine machine =
        Machine.create(
            kvm,
            MachineOrigin.here(config, quirks, kvm.supportedCpuid()),
            inputs,
            OutputSink.console(value -> {}))) {
      machine.boot(boot);
      long bytes = threads.getCurrentThreadAllocatedBytes();
      long start = System.nanoTime();
      machine.run();
      long nanos = System.nanoTime() - start;
      bytes = threads.getCurrentThreadAllocatedBytes() - bytes;
      double exits = machine.counters().guestExits();
      return new Round(nanos / exits, bytes / exits);
    }
  }

  private static List<Figure> exits(
      Kvm kvm, QuirkSet quirks, byte[] image, Optional<BenchProgram> peer) throws Exception {
    double[] ours = new double[ROUNDS];
    double[] theirs = new double[ROUNDS];
    double[] ratios = new double[ROUNDS];
    double bytes = Double.MAX_VALUE;
    for (int i = 0; i < ROUNDS; i++) {
      Round round = round(kvm, quirks, image);
      ours[i] = round.nanos();
      bytes = Math.min(bytes, round.bytes());
      if (peer.isPresent()) {
        theirs[i] = peer.get().measure("");
        ratios[i] = ours[i] / theirs[i];
      }
    }
    boolean measured = peer.isPresent();
    return List.of(
        new Figure(
            "exits",
            1e9 / Medians.of(ours),
            "exits/s",
            measured ? Optional.of(1e9 / Medians.of(theirs)) : Optional.empty(),
            Optional.empty(),
            Optional.empty()),
        new Figure(
            "exit time",
            Medians.of(ours),
            "ns",
            measured ? Optional.of(Medians.of(theirs)) : Optional.empty(),
            measured ? Optional.of(Medians.of(ratios)) : Optional.empty(),
            measured ? Optional.of(GOAL_RATIO) : Optional.empty()),
        new Figure(
            "allocated per exit",
            bytes,
            "bytes",
            Optional.empty(),
            Optional.empty(),
            Optional.of(GOAL_BYTES)));
  }

  /** Compiles and starts the C program, which runs one round a line; empty without a compiler. */
  private static Optional<BenchProgram> peer(BenchWork work, byte[] image, Consumer<String> notes)
      throws IOException, InterruptedException, CommandFailure {
    if (Programs.find("cc").isEmpty()) {
      notes.accept("no C compiler: no peer; apt-get install gcc libc6-dev");
      return Optional.empty();
    }
    Path program = work.compile("exits.c");
    Path guest = work.directory().resolve("guest");
    Files.write(guest, image);
    return Optional.of(BenchProgram.start(work, program, guest.toString()));
  }

  /**
   * From the command to the first byte on the console, a little after the first guest exit. Only
   * where the launcher started this process, because its work counts too.
   */
  private static Optional<Figure> startUp(Consumer<String> notes)
      throws IOException, InterruptedException {
    Optional<String> launcher = Optional.ofNullable(System.getenv("LOCKSTEP_LAUNCHER"));
    if (launcher.isEmpty()) {
      notes.accept("start-up is measured only through ./lockstep");
      return Optional.empty();
    }
    double[] millis = new double[STARTS];
    for (int i = 0; i < STARTS; i++) {
      long start = System.nanoTime();
      Process process =
          new ProcessBuilder(launcher.get(), "run", "--guest", "hello")
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      process.getOutputStream().close();
      int first = process.getInputStream().read();
      millis[i] = (System.nanoTime() - start) / 1e6;
      process.getInputStream().readAllBytes();
      if (process.waitFor() != 0 || first < 0) {
        throw new IOException("lockstep run --guest hello failed");
      }
    }
    return Optional.of(
        new Figure(
            "start to first output",
            Medians.of(millis),
            "ms",
            Optional.empty(),
            Optional.empty(),
            Optional.of(GOAL_START_MILLIS)));
  }
}
