package lockstep.cli.bench;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.cli.bench.BenchCommand.Figure;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.HostErrors;
import lockstep.cli.disk.HeldDisk;
import lockstep.cli.process.Programs;
import lockstep.cli.run.LocalRun;
import lockstep.kvm.Kvm;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.RunResult;
import lockstep.storage.FileDisk;
import lockstep.sys.SysException;

/**
 * The guest {@code disk} with a load of one request after the other, here and on QEMU, with the
 * same KVM and image. Both are measured from outside, between lines on the guest's console.
 */
final class GuestDiskBench {
  private static final String QEMU = "qemu-system-x86_64";

  /** QEMU's firmware takes some seconds where a KVM emulates it; the load takes less. */
  private static final long RUN_SECONDS = 120;

  /** Times between the guest's lines. */
  private static final class LoadTimes implements ConsoleSink {
    private static final String MARK = "load: ";

    private final StringBuilder line = new StringBuilder();
    private final Map<String, Double> seconds = new LinkedHashMap<>();
    private String kind = "";
    private long startNanos;

    @Override
    public void consoleByte(int value) {
      if (value == '\n') {
        String text = line.toString().strip();
        line.setLength(0);
        if (text.startsWith(MARK)) {
          kind = text.substring(MARK.length());
          startNanos = System.nanoTime();
        }
        return;
      }
      if (line.isEmpty() && !kind.isEmpty()) {
        seconds.put(kind, (System.nanoTime() - startNanos) / 1e9);
        kind = "";
      }
      line.append((char) value);
    }

    /** Seconds of each kind of load. */
    Map<String, Double> seconds() {
      return seconds;
    }
  }

  private final BenchWork work;
  private final Path image;
  private final String append;

  private GuestDiskBench(BenchWork work, Path image, int requests) {
    this.work = work;
    this.image = image;
    this.append = "load=" + requests;
  }

  static List<Figure> run(
      BenchWork work, Path image, int rounds, int requests, Consumer<String> notes)
      throws Exception {
    GuestDiskBench bench = new GuestDiskBench(work, image, requests);
    Map<String, List<Double>> ours = new LinkedHashMap<>();
    Map<String, List<Double>> theirs = new LinkedHashMap<>();
    try (Kvm kvm = Kvm.open()) {
      QuirkSet quirks = QuirkProbe.probe(kvm);
      notes.accept("guest: its disk beside QEMU's virtio-blk, same KVM, image and requests");
      boolean qemu = true;
      bench.here(kvm, quirks);
      for (int i = 0; i < rounds; i++) {
        add(bench.here(kvm, quirks), ours);
        if (qemu) {
          try {
            add(bench.qemu(), theirs);
          } catch (CommandFailure e) {
            qemu = false;
            notes.accept(e.getMessage());
          }
        }
      }
    } catch (SysException e) {
      notes.accept("no rows for a guest: " + HostErrors.describe(e));
      return List.of();
    }
    List<Figure> figures = new ArrayList<>();
    ours.forEach(
        (kind, seconds) ->
            figures.add(figure(kind, requests, seconds, theirs.getOrDefault(kind, List.of()))));
    return figures;
  }

  private static void add(Map<String, Double> round, Map<String, List<Double>> all) {
    round.forEach((kind, time) -> all.computeIfAbsent(kind, _ -> new ArrayList<>()).add(time));
  }

  private static Figure figure(String kind, int requests, List<Double> ours, List<Double> theirs) {
    double here = requests / median(ours);
    Optional<Double> peer =
        theirs.isEmpty() ? Optional.empty() : Optional.of(requests / median(theirs));
    return new Figure(
        "guest " + kind + ", QEMU",
        here,
        "requests/s",
        peer,
        peer.map(there -> here / there),
        Optional.empty());
  }

  private static double median(List<Double> values) {
    return Medians.of(values.stream().mapToDouble(Double::doubleValue).toArray());
  }

  private Map<String, Double> here(Kvm kvm, QuirkSet quirks) throws Exception {
    LoadTimes times = new LoadTimes();
    LocalRun run =
        new LocalRun(
            Optional.empty(),
            line -> {},
            new HeldDisk(List.of(FileDisk.open(image, FileDisk.HostCache.USED))));
    RunResult result = run.run(kvm, BenchGuest.boot(quirks, "disk " + append), times);
    if (!result.equals(new RunResult.ExitPort(0))) {
      throw new CommandFailure("the guest disk failed: " + result, "try lockstep run --guest disk");
    }
    return times.seconds();
  }

  private Map<String, Double> qemu() throws Exception {
    Optional<Path> program = Programs.find(QEMU);
    if (program.isEmpty()) {
      throw new CommandFailure("no " + QEMU + ": no peer", "apt-get install qemu-system-x86");
    }
    Path said = work.directory().resolve("qemu.err");
    Process process =
        work.start(new ProcessBuilder(command(program.get())).redirectError(said.toFile()));
    process.getOutputStream().close();
    LoadTimes times = new LoadTimes();
    CompletableFuture<Boolean> whole =
        CompletableFuture.supplyAsync(() -> copy(process.getInputStream(), times));
    boolean ended = process.waitFor(RUN_SECONDS, TimeUnit.SECONDS);
    if (!ended) {
      process.destroyForcibly();
    }
    boolean read = whole.get(RUN_SECONDS, TimeUnit.SECONDS);
    // QEMU's isa-debug-exit ends with (code << 1) | 1.
    if (!ended || !read || process.exitValue() != 1) {
      String last = Files.readString(said, US_ASCII).strip();
      throw new CommandFailure(
          "no peer: QEMU does not run the guest on this KVM ("
              + (ended ? last.substring(last.lastIndexOf('\n') + 1) : "no end")
              + ")",
          "compare on another host");
    }
    return times.seconds();
  }

  private static boolean copy(InputStream from, LoadTimes to) {
    try (from) {
      byte[] some = new byte[1 << 12];
      for (int length = from.read(some); length > 0; length = from.read(some)) {
        for (int i = 0; i < length; i++) {
          to.consoleByte(some[i] & 0xff);
        }
      }
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * The plainest CPU, and the interrupt controllers in user space, as here: what other models set
   * at the start some KVMs refuse. Its disk takes requests as ours does: page cache, io_uring.
   */
  private List<String> command(Path program) throws BootException, IOException {
    Path kernel = work.directory().resolve("disk.elf");
    Files.write(kernel, BenchGuest.kernel("disk").toArray());
    return List.of(
        program.toString(),
        "-accel",
        "kvm",
        "-cpu",
        "qemu64",
        "-machine",
        "pc,kernel-irqchip=off",
        "-m",
        "64",
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "stdio",
        "-no-reboot",
        "-net",
        "none",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4",
        "-drive",
        "if=none,id=disk,format=raw,cache=writeback,aio=io_uring,file=" + image,
        "-device",
        "virtio-blk-pci,disable-legacy=on,drive=disk",
        "-kernel",
        kernel.toString(),
        "-append",
        append);
  }
}
