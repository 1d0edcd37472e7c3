package lockstep.cli.bench;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import lockstep.cli.bench.BenchCommand.Figure;
import lockstep.cli.bench.DiskLoad.Kind;
import lockstep.cli.bench.DiskLoad.Shape;
import lockstep.cli.common.CommandFailure;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.storage.BlockDisk;
import lockstep.storage.FileDisk;
import lockstep.storage.iscsi.IscsiAddress;
import lockstep.storage.iscsi.IscsiDisk;
import lockstep.storage.iscsi.IscsiSession;
import lockstep.storage.iscsi.IscsiTimes;
import lockstep.storage.iscsi.OwnTarget;

/**
 * Disks beside what C programs get out of the same medium, in turn: an iSCSI target beside
 * libiscsi's own tool, images and block devices beside fio with the same engine, and a guest's disk
 * beside QEMU's. Rows whose tools are not here are left out, saying so.
 */
final class DiskBench {
  private static final long IMAGE_BYTES = 64L << 20;
  private static final String TARGET = "iqn.2026-11.dev.lockstep.bench:disk";
  private static final double ISCSI_GOAL = 0.95;
  private static final double FIO_GOAL = 0.9;
  private static final long WARM_UP_MILLIS = 700;
  private static final int[] SIZES = {4 << 10, 64 << 10};
  private static final int[] DEPTHS = {1, 8, 32};

  private static final long SETTLE_SECONDS = 60;

  /** libiscsi's tool measures whole seconds. */
  private static final int TOOL_SECONDS = 1;

  /**
   * How much to measure.
   *
   * @param rounds ours and the peer's turns for each row; the median counts
   * @param millis of each turn
   * @param guestRounds turns of the guests
   * @param guestRequests of each kind in each of these
   * @param rows what the names of the rows begin with; empty for all of them
   */
  record Plan(int rounds, int millis, int guestRounds, int guestRequests, String rows) {
    /** For figures: about four minutes. */
    static final Plan FULL = new Plan(7, 100, 3, 4000, "");

    /** To see that everything is there: the figures say little. */
    static final Plan QUICK = new Plan(1, 30, 1, 100, "");

    /** The same for some rows. */
    Plan of(String prefix) {
      return new Plan(rounds, millis, guestRounds, guestRequests, prefix);
    }

    /** Whether there is anything to measure. */
    boolean hasAny() {
      return Stream.of("file", "pair", "dev", "iscsi", "guest").anyMatch(this::has);
    }

    /** Whether there may be a row that begins with a word. */
    private boolean has(String word) {
      return word.startsWith(rows) || rows.startsWith(word);
    }
  }

  private final BenchWork work;
  private final Plan plan;
  private final Consumer<String> notes;
  private final Path image;
  private final List<Figure> figures = new ArrayList<>();

  private DiskBench(BenchWork work, Plan plan, Consumer<String> notes) {
    this.work = work;
    this.plan = plan;
    this.notes = notes;
    this.image = work.directory().resolve("disk.img");
  }

  /** Measures. */
  static List<Figure> run(Plan plan, Consumer<String> notes) throws Exception {
    try (BenchWork work = BenchWork.open()) {
      DiskBench bench = new DiskBench(work, plan, notes);
      FileDisk.create(bench.image, IMAGE_BYTES);
      bench.fill();
      if (plan.has("file")) {
        bench.file();
      }
      if (plan.has("pair")) {
        bench.pair();
      }
      if (plan.has("dev")) {
        bench.device();
      }
      if (plan.has("iscsi")) {
        bench.iscsi();
      }
      if (plan.has("guest")) {
        bench.figures.addAll(
            GuestDiskBench.run(work, bench.image, plan.guestRounds(), plan.guestRequests(), notes));
      }
      return bench.figures;
    }
  }

  /** Holes are read faster than data: there are to be none. */
  private void fill() throws Exception {
    byte[] content = new byte[1 << 20];
    Arrays.fill(content, (byte) 0x5a);
    try (OutputStream out = Files.newOutputStream(image)) {
      for (long at = 0; at < IMAGE_BYTES; at += content.length) {
        out.write(content);
      }
    }
  }

  /** What the other side of a row gets; completed requests a second. */
  @FunctionalInterface
  private interface Peer {
    double perSecond(Shape shape) throws Exception;
  }

  private void file() throws Exception {
    Optional<FioPeer> fio = FioPeer.find(work, image, false, IMAGE_BYTES);
    if (fio.isEmpty()) {
      notes.accept("no fio: no rows for file; apt-get install fio");
      return;
    }
    notes.accept("file: an image in the page cache, beside fio");
    try (FileDisk disk = FileDisk.open(image, FileDisk.HostCache.USED)) {
      sameEngine(disk.engine());
      warmUp(disk);
      Peer peer = shape -> fio.get().perSecond(shape, plan.millis());
      rows("file", disk, peer, Optional.of(FIO_GOAL));
    }
  }

  /** What it costs that a completed write outlives its host: the same image in a pair's way. */
  private void pair() throws Exception {
    try (FileDisk disk = FileDisk.open(image, FileDisk.HostCache.BYPASSED);
        FileDisk cached = FileDisk.open(image, FileDisk.HostCache.USED)) {
      notes.accept("pair: an image as a pair has it, " + disk.access() + ", beside the page cache");
      warmUp(disk);
      warmUp(cached);
      long nanos = TimeUnit.MILLISECONDS.toNanos(plan.millis());
      rows("pair", disk, shape -> DiskLoad.perSecond(cached, shape, nanos), Optional.empty());
    }
  }

  private void device() throws Exception {
    Optional<String> missing = LoopDevice.missing();
    if (missing.isPresent()) {
      notes.accept(missing.get() + ": no rows for dev");
      return;
    }
    Path device;
    try {
      device = LoopDevice.attach(work, image);
    } catch (CommandFailure e) {
      notes.accept("no loop device, no rows for dev: " + e.getMessage());
      return;
    }
    Optional<FioPeer> fio = FioPeer.find(work, device, true, IMAGE_BYTES);
    if (fio.isEmpty()) {
      notes.accept("no fio: no rows for dev; apt-get install fio");
      return;
    }
    notes.accept("dev: " + device + " on the same image, past the page cache, beside fio");
    try (BlockDisk disk = BlockDisk.open(device, BlockDisk.Use.PAIR)) {
      sameEngine(disk.engine());
      warmUp(disk);
      Peer peer = shape -> fio.get().perSecond(shape, plan.millis());
      rows("dev", disk, peer, Optional.of(FIO_GOAL));
    }
  }

  private void sameEngine(String engine) throws CommandFailure {
    if (!engine.equals(FioPeer.ENGINE)) {
      throw new CommandFailure(
          "this kernel gives no io_uring: the engine here is " + engine + ", fio's another",
          "see lockstep doctor");
    }
  }

  /** One that ends with the bench. */
  private OwnTarget ownTarget() throws CommandFailure, InterruptedException, IOException {
    OwnTarget target;
    try {
      target = OwnTarget.start(TARGET, image);
    } catch (IOException e) {
      throw new CommandFailure(String.valueOf(e.getMessage()), "try tgtd -f by hand", e);
    }
    work.atEnd(target::close);
    return target;
  }

  private void iscsi() throws Exception {
    Optional<String> missing = OwnTarget.missing();
    if (missing.isPresent()) {
      notes.accept(missing.get() + "; no rows for iscsi");
      return;
    }
    OwnTarget target = ownTarget();
    IscsiPeer peer = IscsiPeer.of(work, target, notes);
    IscsiAddress address = IscsiAddress.parse(target.address(OwnTarget.LUN));
    notes.accept("iscsi: tgtd on loopback, beside libiscsi's tool and a C program with libiscsi");
    try (IscsiSession session = IscsiSession.open(address, IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      warmUp(disk);
      for (Kind kind : Kind.values()) {
        if (peer.has(kind)) {
          // Turns of one row are equally long.
          long millis = kind == Kind.READ ? TimeUnit.SECONDS.toMillis(TOOL_SECONDS) : plan.millis();
          rows(
              kind,
              "iscsi",
              disk,
              shape -> peer.perSecond(shape, plan.millis(), TOOL_SECONDS),
              Optional.of(ISCSI_GOAL),
              millis);
        }
      }
    } catch (IOException e) {
      notes.accept("no rows for iscsi: " + e.getMessage());
    }
  }

  /** Neither side is to pay for what the other has left in a cache. */
  private static void settle(BlockDevice disk) throws InterruptedException, CommandFailure {
    CountDownLatch done = new CountDownLatch(1);
    disk.submit(new BlockRequest.Flush(0), _ -> done.countDown());
    if (!done.await(SETTLE_SECONDS, TimeUnit.SECONDS)) {
      throw new CommandFailure("a flush has no end", "look at the disk");
    }
  }

  /** Has the JVM compile what the rows use. */
  private void warmUp(BlockDevice disk) throws Exception {
    long millis = Math.min(WARM_UP_MILLIS, 10L * plan.millis());
    for (Kind kind : Kind.values()) {
      for (int depth : DEPTHS) {
        Shape shape = new Shape(kind, SIZES[0], depth);
        DiskLoad.perSecond(disk, shape, TimeUnit.MILLISECONDS.toNanos(millis));
        // A kind of request that was never seen has the JVM give up what it compiled.
        settle(disk);
      }
    }
  }

  private void rows(String name, BlockDevice disk, Peer peer, Optional<Double> goal)
      throws Exception {
    for (Kind kind : Kind.values()) {
      rows(kind, name, disk, peer, goal, plan.millis());
    }
  }

  private void rows(
      Kind kind, String name, BlockDevice disk, Peer peer, Optional<Double> goal, long millis)
      throws Exception {
    for (int size : SIZES) {
      for (int depth : DEPTHS) {
        Shape shape = new Shape(kind, size, depth);
        if (!plan.has(name + " " + shape.words())) {
          continue;
        }
        double[] ours = new double[plan.rounds()];
        double[] theirs = new double[plan.rounds()];
        double[] ratios = new double[plan.rounds()];
        for (int i = 0; i < plan.rounds(); i++) {
          settle(disk);
          ours[i] = DiskLoad.perSecond(disk, shape, TimeUnit.MILLISECONDS.toNanos(millis));
          settle(disk);
          theirs[i] = peer.perSecond(shape);
          ratios[i] = ours[i] / theirs[i];
        }
        figures.add(
            new Figure(
                name + " " + shape.words(),
                Medians.of(ours),
                "requests/s",
                Optional.of(Medians.of(theirs)),
                Optional.of(Medians.of(ratios)),
                goal,
                true));
      }
    }
  }
}
