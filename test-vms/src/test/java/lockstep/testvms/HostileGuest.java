package lockstep.testvms;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.host.DiskBridge;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * Runs the guest that does what it likes (hostile.S, hostile.c) as often as it takes, each time
 * with another seed, and counts how it ended. Whatever comes out of the machine but a result is a
 * failure and comes out here, too.
 */
final class HostileGuest {
  static final Guest GUEST =
      new Guest(
          "hostile",
          "does what it likes to registers, MSRs, ports, descriptors and memory",
          "/lockstep/guests/hostile.elf",
          Guest.Format.MULTIBOOT,
          8,
          "",
          Pattern.compile("(?s).*hostile: [0-9]+ actions, [0-9]+ faults and interrupts\r?\n$"),
          0);

  /** As in hostile.c. */
  static final int PROGRESS_PORT = 0x1e0;

  static final int DISK_BYTES = 1 << 20;

  /** A guest that does nothing for so long has hung itself, on a busy host too. */
  private static final long IDLE_SECONDS = 20;

  /** The monitor itself hangs if it does not even stop. */
  private static final long STOP_SECONDS = 120;

  private static final lockstep.monitor.snapshot.Progress NO_PROGRESS =
      lockstep.monitor.snapshot.Progress.NONE;

  /** How many stops of the vCPU there are at most between two moves. */
  private static final long MOST_STOPS = 2_000;

  private final Map<String, Integer> ends = new TreeMap<>();
  private long actions;
  private int runs;
  private int moves;

  /** Runs until so many actions were made; {@code firstSeed} and the seeds after it. */
  void run(long wanted, long firstSeed) throws Exception {
    try (Kvm kvm = Kvm.open()) {
      QuirkSet quirks = QuirkProbe.probe(kvm);
      while (actions < wanted) {
        long seed = firstSeed + runs;
        long before = actions;
        RunResult how;
        try {
          how = once(kvm, quirks, seed, wanted - actions);
        } catch (Exception e) {
          throw new AssertionError(
              "hostile: seed=%d actions=%d calm=0 after %d actions"
                  .formatted(seed, wanted - before, actions - before),
              e);
        }
        runs++;
        ends.merge(name(how), 1, Integer::sum);
      }
    }
  }

  /** The first line of how it ended. */
  private static String name(RunResult how) {
    return switch (how) {
      case RunResult.ExitPort _ -> "exit port";
      case RunResult.Reset _ -> "reset";
      case RunResult.Stopped _ -> "hung, and was stopped";
      case RunResult.HaltedForGood _ -> "halted for good";
      case RunResult.Fenced fenced -> throw new AssertionError(fenced.reason());
      case RunResult.Crashed crashed -> crashed.report().lines().findFirst().orElse("");
    };
  }

  /** One run from boot to end, moved to a new machine by a snapshot every now and then. */
  private RunResult once(Kvm kvm, QuirkSet quirks, long seed, long wanted) throws Exception {
    long memoryBytes = (long) GUEST.memoryMib() << 20;
    InputQueue queue = new InputQueue();
    Progress progress = new Progress(new Random(seed));
    MachineConfig config = new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0);
    BootImage image =
        BootImages.load(
            BootFile.of(GUEST.name(), GUEST.image()),
            BootConfig.of(memoryBytes, "actions=%d seed=%d calm=0".formatted(wanted, seed)));
    Optional<byte[]> saved = Optional.empty();
    try (MemoryMedium medium = new MemoryMedium(DISK_BYTES);
        KickTimer timer = new KickTimer(progress::kick);
        DiskBridge bridge = new DiskBridge(0, medium, queue::offer)) {
      queue.wakeWith(progress::kick);
      long clockNanos = 0;
      while (true) {
        HostInputs inputs = new HostInputs(queue, MachineLayout.TIMERS, clockNanos, timer);
        InputSource source = progress.of(new LiveInputs(inputs));
        try (Machine machine =
            Machine.create(
                kvm,
                MachineOrigin.here(
                    config.withDisk(medium.geometry()), quirks, kvm.supportedCpuid()),
                source,
                OutputSink.of(_ -> {}, (disk, request) -> bridge.request(request)))) {
          if (saved.isPresent()) {
            machine.restore(SavedMachine.open(new ByteArrayInputStream(saved.get())), NO_PROGRESS);
          } else {
            machine.boot(image);
          }
          progress.moveSoon();
          RunResult how = run(machine, queue, progress);
          if (!(how instanceof RunResult.Stopped) || !progress.moves()) {
            return how;
          }
          ByteArrayOutputStream out = new ByteArrayOutputStream();
          clockNanos = inputs.nowNanos();
          Optional<RunResult> ended =
              machine.save(out, new SavedInputs(clockNanos, List.of()), NO_PROGRESS);
          if (ended.isPresent()) {
            return ended.get();
          }
          saved = Optional.of(out.toByteArray());
          moves++;
        }
      }
    } finally {
      actions += progress.actions;
    }
  }

  private static RunResult run(Machine machine, InputQueue queue, Progress progress)
      throws Exception {
    FutureTask<RunResult> task = new FutureTask<>(machine::run);
    Thread vcpu = Thread.ofPlatform().name("vcpu-0").unstarted(task);
    progress.handle = new VcpuHandle(machine.kick(), vcpu);
    vcpu.start();
    return await(task, queue, progress);
  }

  private static RunResult await(FutureTask<RunResult> task, InputQueue queue, Progress progress)
      throws Exception {
    long seen = -1;
    while (true) {
      try {
        return task.get(IDLE_SECONDS, TimeUnit.SECONDS);
      } catch (TimeoutException e) {
        if (seen == progress.actions) {
          while (!queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP))) {
            Thread.sleep(10);
          }
          return task.get(STOP_SECONDS, TimeUnit.SECONDS);
        }
        seen = progress.actions;
      } catch (ExecutionException e) {
        throw e.getCause() instanceof Exception cause ? cause : e;
      }
    }
  }

  /** What the guest says of itself, and when it is to be moved. */
  private static final class Progress {
    private final Random random;
    private volatile long actions;
    private volatile @Nullable VcpuHandle handle;
    private long stopsUntilMove;

    Progress(Random random) {
      this.random = random;
    }

    void kick() {
      VcpuHandle present = handle;
      if (present != null) {
        present.kick();
      }
    }

    void moveSoon() {
      stopsUntilMove = random.nextLong(1, MOST_STOPS);
    }

    boolean moves() {
      return stopsUntilMove <= 0;
    }

    InputSource of(InputSource real) {
      return new PassedOn(real) {
        @Override
        public Action next(VcpuPosition position) throws InterruptedException, SysException {
          return --stopsUntilMove <= 0 ? Action.STOP : super.next(position);
        }

        @Override
        public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
          if (exit == GuestExit.PORT_OUT && address == PROGRESS_PORT && sizeBytes == 4) {
            long said = data & 0xffff_ffffL;
            actions = said > actions && said < actions + (1 << 20) ? said : actions;
          }
          super.guestExit(exit, address, sizeBytes, data);
        }
      };
    }
  }

  long actions() {
    return actions;
  }

  void report(PrintStream out) {
    out.printf("hostile: %d actions in %d runs, %d moves%n", actions, runs, moves);
    ends.forEach((how, count) -> out.printf("%8d  %s%n", count, how));
  }

  /**
   * For long runs by hand and in the lab.
   *
   * @param args actions, first seed
   */
  public static void main(String[] args) throws Exception {
    HostileGuest guest = new HostileGuest();
    try {
      guest.run(Long.parseLong(args[0]), Long.parseLong(args[1]));
    } finally {
      guest.report(System.out);
    }
  }
}
