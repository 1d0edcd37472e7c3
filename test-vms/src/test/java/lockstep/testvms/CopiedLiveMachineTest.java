package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.StateCopy;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput.Decision;
import lockstep.monitor.input.ExternalInput.HostDecision;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A guest that writes its memory is copied while it runs. The copy must be the machine as it stood
 * at the end of the copying, and go on from there.
 */
@KvmRequired
final class CopiedLiveMachineTest {
  private static final int COPIES = 8;
  private static final int LIMIT_SECONDS = 300;
  private static final int MOST_MICROS = 20_000;

  /** A machine with its thread. */
  private static final class Running implements AutoCloseable {
    final InputQueue queue = new InputQueue();
    final ByteArrayOutputStream console = new ByteArrayOutputStream();
    final KickTimer timer;
    final HostInputs inputs;
    final Machine machine;
    private final ExecutorService vcpu;
    private final VcpuHandle handle;

    Running(Kvm kvm, Guest guest, long clockNanos) throws Exception {
      Runnable[] kick = {() -> {}};
      Thread[] thread = new Thread[1];
      timer = new KickTimer(() -> kick[0].run());
      inputs = new HostInputs(queue, MachineLayout.TIMERS, clockNanos, timer);
      long memoryBytes = (long) guest.memoryMib() << 20;
      machine =
          Machine.create(
              kvm,
              MachineOrigin.here(
                  new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0),
                  QuirkProbe.probe(kvm),
                  kvm.supportedCpuid()),
              new LiveInputs(inputs),
              OutputSink.console(console::write));
      vcpu =
          Executors.newSingleThreadExecutor(
              work -> thread[0] = Thread.ofPlatform().name("vcpu-0").unstarted(work));
      vcpu.submit(() -> {}).get();
      handle = new VcpuHandle(machine.kick(), thread[0]);
      kick[0] = handle::kick;
      queue.wakeWith(handle::kick);
    }

    Future<RunResult> run() {
      return vcpu.submit(machine::run);
    }

    /** Stops it, does something on its thread, and lets it run on; empty when it has ended. */
    <T> Optional<T> atStop(Future<RunResult> running, java.util.concurrent.Callable<T> work)
        throws Exception {
      queue.offer(new HostDecision(Decision.STOP));
      RunResult result = running.get(LIMIT_SECONDS, TimeUnit.SECONDS);
      return result instanceof RunResult.Stopped
          ? Optional.of(vcpu.submit(work).get())
          : Optional.empty();
    }

    byte[] saved(long clockNanos) throws Exception {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      SavedInputs none = new SavedInputs(clockNanos, List.of());
      assertEquals(
          Optional.empty(), vcpu.submit(() -> machine.save(out, none, Progress.NONE)).get());
      return out.toByteArray();
    }

    @Override
    public void close() {
      handle.kick();
      vcpu.shutdownNow();
      vcpu.close();
      timer.close();
      machine.close();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"memory", "compute"})
  void theCopyIsTheMachineAsItStoodAtTheEnd(String name) throws Exception {
    Guest guest = Guests.find(name).orElseThrow();
    long seed = System.nanoTime();
    System.out.println("CopiedLiveMachineTest " + guest + " seed " + seed);
    Random random = new Random(seed);
    int copies = 0;
    long again = 0;
    try (Kvm kvm = Kvm.open()) {
      for (int i = 0; i < COPIES; i++) {
        long pages = copied(kvm, guest, random);
        copies += pages >= 0 ? 1 : 0;
        again += Math.max(0, pages);
      }
    }
    System.out.printf(
        "CopiedLiveMachineTest %s: %d copies, %d KiB written again%n", guest, copies, again >> 10);
    assertTrue(copies > 0, "every guest had ended before its copy was whole");
    assertTrue(again > 0, "no guest wrote anything while it was copied");
  }

  /** Copies one guest; returns how many bytes were copied again, or -1 when it ended before. */
  private static long copied(Kvm kvm, Guest guest, Random random) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    long clockNanos = 1_000_000_000;
    long again = 0;
    byte[] then;
    try (Running first = new Running(kvm, guest, 0)) {
      first.machine.boot(
          BootImages.load(
              BootFile.of(guest.name(), guest.image()),
              BootConfig.of((long) guest.memoryMib() << 20, "")));
      Future<RunResult> running = first.run();
      pause(random);
      Packing packing = random.nextBoolean() ? Packing.ALWAYS : Packing.whereFaster(() -> 0);
      Optional<StateCopy> copy = first.atStop(running, () -> first.machine.copy(out, packing));
      if (copy.isEmpty()) {
        return -1;
      }
      running = first.run();
      copy.get().first(Progress.NONE);
      for (int round = random.nextInt(4); round > 0; round--) {
        pause(random);
        Optional<Long> dirty = first.atStop(running, copy.get()::collect);
        if (dirty.isEmpty()) {
          return -1;
        }
        again += dirty.get();
        running = first.run();
        copy.get().next();
      }
      pause(random);
      SavedInputs inputs = new SavedInputs(clockNanos, List.of());
      Optional<Long> last =
          first.atStop(
              running,
              () -> {
                long dirty = copy.get().collect();
                assertEquals(Optional.empty(), copy.get().finish(inputs));
                copy.get().close();
                return dirty;
              });
      if (last.isEmpty()) {
        return -1;
      }
      again += last.get();
      then = first.saved(clockNanos);
    }
    goesOn(kvm, guest, out.toByteArray(), then);
    return again;
  }

  private static void goesOn(Kvm kvm, Guest guest, byte[] copy, byte[] then) throws Exception {
    SavedMachine saved = SavedMachine.open(new ByteArrayInputStream(copy));
    try (Running second = new Running(kvm, guest, 1_000_000_000)) {
      second.machine.receive(saved, Progress.NONE);
      second.machine.restore(saved, Progress.NONE);
      assertArrayEquals(then, second.saved(1_000_000_000), "the copy differs from the machine");
      assertEquals(
          new RunResult.ExitPort(guest.exitCode()),
          second.run().get(LIMIT_SECONDS, TimeUnit.SECONDS),
          () -> second.console.toString(ISO_8859_1));
    }
  }

  private static void pause(Random random) throws InterruptedException {
    TimeUnit.MICROSECONDS.sleep(random.nextInt(MOST_MICROS));
  }
}
