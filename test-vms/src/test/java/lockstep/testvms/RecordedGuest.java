package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.host.DiskBridge;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.WakeTimer;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.playback.Replayer;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.Recorder;

/** Records guests on this host's KVM, and replays what was recorded; the log is in memory. */
final class RecordedGuest {
  /** Far above what any of these guests takes, on a busy machine too. */
  private static final int TIMEOUT_SECONDS = 900;

  /** Only ends what hangs: these guests make an exit at least every second, on an idle host. */
  private static final ReplayOptions OPTIONS =
      new ReplayOptions(OptionalLong.empty(), false, false, TimeUnit.SECONDS.toNanos(120));

  static final InstructionCounter NO_COUNTER = InstructionCounter.none("none here");

  private final Loader loader;
  private final long memoryBytes;
  private final Driver driver;
  private Optional<BlockDevice> medium = Optional.empty();
  private Optional<HostNoise> noise = Optional.empty();
  private boolean kicked = true;

  /**
   * @param loader makes the image; the same for recording and replay
   * @param driver plays the user while recording
   */
  RecordedGuest(Loader loader, long memoryBytes, Driver driver) {
    this.loader = loader;
    this.memoryBytes = memoryBytes;
    this.driver = driver;
  }

  /** The same guest with a disk, which a replay does not touch. */
  RecordedGuest withDisk(BlockDevice medium) {
    RecordedGuest guest = new RecordedGuest(loader, memoryBytes, driver);
    guest.medium = Optional.of(medium);
    return guest;
  }

  /** The same guest on a host that is busy. */
  RecordedGuest on(HostNoise host) {
    RecordedGuest guest = new RecordedGuest(loader, memoryBytes, driver);
    guest.medium = medium;
    guest.noise = Optional.of(host);
    return guest;
  }

  /**
   * The same guest, to be recorded with no kick when a timer expires: one that comes in the middle
   * of an interrupt's steps ends them. For guests that make exits all the time.
   */
  RecordedGuest withoutKicks() {
    RecordedGuest guest = new RecordedGuest(loader, memoryBytes, driver);
    guest.medium = medium;
    guest.noise = noise;
    guest.kicked = false;
    return guest;
  }

  /** A guest of the table, its input typed before it starts. */
  static RecordedGuest of(Guest guest) {
    return of(guest, "");
  }

  static RecordedGuest of(Guest guest, String commandLine) {
    long memoryBytes = (long) guest.memoryMib() << 20;
    BootFile file = BootFile.of(guest.name(), guest.image());
    return new RecordedGuest(
        quirks -> BootImages.load(file, BootConfig.of(memoryBytes, commandLine)),
        memoryBytes,
        console -> console.type(guest.consoleInput()));
  }

  /** Makes a guest's image. */
  interface Loader {
    BootImage load(QuirkSet quirks) throws BootException;
  }

  /** Plays the user at the console while a guest is recorded. */
  interface Driver {
    void drive(LiveConsole console) throws Exception;
  }

  /**
   * What a recorded run left.
   *
   * @param how how it ended
   * @param console what the guest wrote
   * @param entries the log
   */
  record Recording(RunResult how, String console, List<LogEntry> entries) {
    long count(LogEntry.Kind kind) {
      return entries.stream().filter(entry -> entry.kind() == kind).count();
    }

    long stateSyncs() {
      return entries.stream()
          .filter(
              entry ->
                  entry instanceof LogEntry.Point point
                      && point.at() instanceof ExecutionPoint.StateSync)
          .count();
    }
  }

  /** What a replay left. */
  record Replay(ReplayOutcome outcome, String console) {}

  private static final class Kick {
    private volatile Runnable target = () -> {};
  }

  private MachineConfig config() {
    MachineConfig config = new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0);
    return medium.map(present -> config.withDisk(present.geometry())).orElse(config);
  }

  private WakeTimer late(WakeTimer timer) {
    return noise.map(present -> present.late(timer)).orElse(timer);
  }

  private InputSource heldUp(InputSource source) {
    return noise.map(present -> present.heldUp(source)).orElse(source);
  }

  Recording record(RecordOptions options) throws Exception {
    return record(options, NO_COUNTER, UnaryOperator.identity());
  }

  /** Records with a counter, and something planted between the machine and its recorder. */
  Recording record(
      RecordOptions options, InstructionCounter counter, UnaryOperator<InputSource> plant)
      throws Exception {
    MemoryLog log = new MemoryLog();
    InputQueue queue = new InputQueue();
    LiveConsole console = new LiveConsole(queue);
    Kick kick = new Kick();
    try (Kvm kvm = Kvm.open();
        KickTimer timer = new KickTimer(() -> kick.target.run())) {
      QuirkSet quirks = QuirkProbe.probe(kvm);
      WakeTimer wakeTimer = kicked ? late(timer) : hostNanos -> {};
      HostInputs host = new HostInputs(queue, Recorder.TIMERS, 0, wakeTimer);
      Recorder recorder = new Recorder(host, 0, log, () -> {}, options, counter);
      DiskSink disk =
          medium
              .map(present -> new DiskBridge(0, present, queue::offer))
              .<DiskSink>map(bridge -> (to, request) -> bridge.request(request))
              .orElse((to, request) -> {});
      try (Machine machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config(), quirks, kvm.supportedCpuid()),
              heldUp(plant.apply(recorder)),
              recorder.outputs(OutputSink.of(console, disk)))) {
        machine.boot(loader.load(quirks));
        queue.wakeWith(() -> kick.target.run());
        FutureTask<RunResult> task =
            new FutureTask<>(
                () -> {
                  RunResult how = machine.run();
                  recorder.finish(machine.position(), how);
                  return how;
                });
        Thread vcpu = Thread.ofPlatform().name("vcpu-0").unstarted(task);
        kick.target = new VcpuHandle(machine.kick(), vcpu)::kick;
        noise.ifPresent(present -> present.kicks(() -> kick.target.run()));
        vcpu.start();
        try {
          driver.drive(console);
          RunResult how = task.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
          return new Recording(how, console.transcript(), log.entries());
        } finally {
          if (!task.isDone()) {
            queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
            task.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
          }
        }
      }
    }
  }

  Replay replay(List<LogEntry> entries) throws Exception {
    return replay(entries, UnaryOperator.identity(), OPTIONS);
  }

  /** Replays with something planted between the machine and its replayer. */
  Replay replay(List<LogEntry> entries, UnaryOperator<InputSource> plant, ReplayOptions options)
      throws Exception {
    return replay(entries, plant, options, NO_COUNTER);
  }

  /** Replays with a counter, which stands between the machine and its replayer. */
  Replay replay(List<LogEntry> entries, SteppedCounter counter) throws Exception {
    return replay(entries, counter::before, OPTIONS, counter);
  }

  private Replay replay(
      List<LogEntry> entries,
      UnaryOperator<InputSource> plant,
      ReplayOptions options,
      InstructionCounter counter)
      throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    Kick kick = new Kick();
    try (Kvm kvm = Kvm.open();
        KickTimer timer = new KickTimer(() -> kick.target.run())) {
      QuirkSet quirks = QuirkProbe.probe(kvm);
      Replayer replayer = new Replayer(MemoryLog.source(entries), 0, timer, options, counter);
      try (Machine machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config(), quirks, kvm.supportedCpuid()),
              heldUp(plant.apply(replayer)),
              replayer.outputs(OutputSink.of(console::write, (disk, request) -> {})))) {
        machine.boot(loader.load(quirks));
        FutureTask<ReplayOutcome> task =
            new FutureTask<>(() -> replayer.finish(machine.position(), machine.run()));
        Thread vcpu = Thread.ofPlatform().name("vcpu-0").unstarted(task);
        kick.target = new VcpuHandle(machine.kick(), vcpu)::kick;
        noise.ifPresent(present -> present.kicks(() -> kick.target.run()));
        vcpu.start();
        ReplayOutcome outcome = task.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
        return new Replay(outcome, console.toString(ISO_8859_1));
      }
    }
  }
}
