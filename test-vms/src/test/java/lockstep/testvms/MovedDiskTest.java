package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.cli.guest.BuiltInGuest;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.host.DiskBridge;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.SpecialPorts;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A guest whose host goes away with its disk requests: the next host hands them out again. */
@KvmRequired
class MovedDiskTest {
  private static final long BOOT_LIMIT_SECONDS = 600;
  private static final long ANSWER_LIMIT_SECONDS = 300;
  private static final int IMAGE_BYTES = 4 << 20;
  private static final int BLOCKS = 512;

  @TempDir private Path directory = Path.of("");

  /** A medium that from some moment on answers nothing, though it carries out every second one. */
  private static final class Silent implements BlockDevice {
    final List<BlockRequest> unanswered = new ArrayList<>();
    private final ImageFile image;
    private boolean silent;

    Silent(ImageFile image) {
      this.image = image;
    }

    synchronized void fallSilent() {
      silent = true;
    }

    synchronized void awaitUnanswered(int count) throws InterruptedException {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(ANSWER_LIMIT_SECONDS);
      while (unanswered.size() < count) {
        assertTrue(System.nanoTime() < deadline, "the guest makes no requests");
        wait(100);
      }
    }

    @Override
    public synchronized void submit(BlockRequest request, Consumer<BlockResult> completion) {
      if (!silent) {
        image.submit(request, completion);
        return;
      }
      unanswered.add(request);
      if (unanswered.size() % 2 == 0) {
        image.submit(request, result -> {});
      }
      notifyAll();
    }

    @Override
    public Geometry geometry() {
      return image.geometry();
    }

    @Override
    public int depth() {
      return image.depth();
    }

    @Override
    public void permit(WritePermit permit) {
      // Nobody else writes to it.
    }

    @Override
    public void dropCache() {
      // There is none.
    }

    @Override
    public void close() {
      // The image is closed by who opened it.
    }
  }

  /** A machine with the image, and the thread that runs it. */
  private static final class Stage implements AutoCloseable {
    final InputQueue queue = new InputQueue();
    final LiveConsole console = new LiveConsole(queue);
    final LiveInputs inputs;
    final Machine machine;
    private final KickTimer timer;
    private volatile Runnable kick = () -> {};

    Stage(Kvm kvm, MachineConfig config, QuirkSet quirks, BlockDevice medium, long clockNanos)
        throws Exception {
      timer = new KickTimer(() -> kick.run());
      inputs = new LiveInputs(new HostInputs(queue, MachineLayout.TIMERS, clockNanos, timer));
      DiskBridge bridge = new DiskBridge(0, medium, queue::offer);
      machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config, quirks, kvm.supportedCpuid()),
              inputs,
              OutputSink.of(console, (disk, request) -> bridge.request(request)));
      handOut =
          () -> machine.diskRequestsInFlight().forEach(asked -> bridge.request(asked.request()));
    }

    /** Gives the medium what a machine from elsewhere had handed out there. */
    final Runnable handOut;

    <T> FutureTask<T> start(java.util.concurrent.Callable<T> run) {
      FutureTask<T> task = new FutureTask<>(run);
      Thread vcpu = Thread.ofPlatform().name("vcpu-0").unstarted(task);
      kick = new VcpuHandle(machine.kick(), vcpu)::kick;
      queue.wakeWith(kick);
      vcpu.start();
      return task;
    }

    @Override
    public void close() {
      machine.close();
      timer.close();
    }
  }

  private static BootImage load(BuiltInGuest guest, QuirkSet quirks) throws Exception {
    BuiltInGuest.Files files = guest.source().files(note -> {});
    OptionalInt cpuid =
        quirks.rewriteCpuid() ? OptionalInt.of(SpecialPorts.CPUID_PORT) : OptionalInt.empty();
    return BootImages.load(
        files.kernel(),
        BootConfig.of(guest.memoryBytes(), guest.commandLine())
            .withInitrd(files.initrd().orElseThrow())
            .withRewrite(
                new RewriteOptions(
                    OptionalInt.of(SpecialPorts.CLOCK_PORT),
                    OptionalInt.of(SpecialPorts.CLOCK_AUX_PORT),
                    cpuid)));
  }

  @Test
  void requestsThatWereOnTheirWayAreDoneByTheNextHost() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
    BuiltInGuest guest = new LinuxCatalog().guests().getFirst();
    Path path = directory.resolve("disk.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES)) {
      QuirkSet quirks = QuirkProbe.probe(kvm);
      MachineConfig config =
          new MachineConfig(guest.memoryBytes(), CpuModel.Kind.DETERMINISTIC, 0)
              .withDisk(image.geometry());
      byte[] saved = leaveInTheMiddle(kvm, config, quirks, image, load(guest, quirks));
      SavedMachine from = SavedMachine.open(new ByteArrayInputStream(saved));
      long clockNanos = from.state().inputs().clockNanos();
      try (Stage next = new Stage(kvm, config, quirks, image, clockNanos)) {
        next.machine.restore(from, Progress.NONE);
        from.state().inputs().pending().forEach(next.queue::offer);
        next.handOut.run();
        FutureTask<RunResult> end = next.start(next.machine::run);
        next.console.await("fill " + BLOCKS + " blocks", ANSWER_LIMIT_SECONDS);
        next.console.type("poweroff\n");
        assertEquals(new RunResult.ExitPort(0), end.get(ANSWER_LIMIT_SECONDS, TimeUnit.SECONDS));
      }
    }
    assertImage(path);
  }

  /** Boots, has the guest write, and saves the machine when the medium has fallen silent. */
  private static byte[] leaveInTheMiddle(
      Kvm kvm, MachineConfig config, QuirkSet quirks, ImageFile image, BootImage kernel)
      throws Exception {
    Silent medium = new Silent(image);
    try (Stage first = new Stage(kvm, config, quirks, medium, 0)) {
      first.machine.boot(kernel);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      FutureTask<RunResult> end =
          first.start(
              () -> {
                RunResult how = first.machine.run();
                SavedInputs inputs =
                    new SavedInputs(first.inputs.nowNanos(), first.queue.waiting());
                assertEquals(Optional.empty(), first.machine.save(out, inputs, Progress.NONE));
                return how;
              });
      first.console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
      medium.fallSilent();
      first.console.type("fill /dev/vda " + BLOCKS + "\n");
      medium.awaitUnanswered(2);
      first.console.stopGuest();
      assertEquals(new RunResult.Stopped(), end.get(ANSWER_LIMIT_SECONDS, TimeUnit.SECONDS));
      int open = first.machine.diskRequestsInFlight().size();
      System.out.println("MovedDiskTest: " + open + " disk requests in flight at the move");
      assertTrue(open >= 2);
      assertFalse(first.console.transcript().contains("fill " + BLOCKS + " blocks"));
      return out.toByteArray();
    }
  }

  private static void assertImage(Path path) throws IOException {
    byte[] expected = Arrays.copyOf(LinuxDiskTest.numbered(BLOCKS), IMAGE_BYTES);
    assertEquals(
        -1, Arrays.mismatch(expected, Files.readAllBytes(path)), "the image differs there");
  }
}
