package lockstep.testvms;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.boot.RewriteReport.Kind;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.SpecialPorts;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.storage.FileDisk;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Multiboot kernels that read the time stamp counter: rewritten, or refused where that is unsure.
 */
@KvmRequired
class RewrittenMultibootTest {
  private static final long MEMORY_BYTES = 8L << 20;

  /** Ends a pair that hangs. */
  private static final long PAIR_SECONDS = 300;

  /** The ELF header's number of section headers. */
  private static final int E_SHNUM = 48;

  private static final RewriteOptions REWRITE =
      RewriteOptions.timestamps(SpecialPorts.CLOCK_PORT, SpecialPorts.CLOCK_AUX_PORT)
          .withCpuid(SpecialPorts.CPUID_PORT);

  @TempDir private Path directory = Path.of("");

  private static final Guest GUEST =
      new Guest(
          "clock",
          "prints RDTSC",
          "/lockstep/guests/clock.elf",
          Guest.Format.MULTIBOOT,
          8,
          "",
          Pattern.compile(""),
          0);

  private static byte[] clock() {
    return GUEST.image();
  }

  private static BootImage load(byte[] kernel, RewriteOptions options) throws BootException {
    return BootImages.load(
        BootFile.of("clock", kernel), BootConfig.of(MEMORY_BYTES, "").withRewrite(options));
  }

  private static RecordedGuest guest(RewriteOptions options) {
    return new RecordedGuest(_ -> load(clock(), options), MEMORY_BYTES, _ -> {});
  }

  @Test
  void aGuestThatPrintsRdtscReplaysEqual() throws Exception {
    BootImage image = load(clock(), REWRITE);
    assertEquals(1, image.rewrites().count(Kind.RDTSC));
    assertTrue(image.rewrites().left().isEmpty(), image.rewrites().left().toString());
    RecordedGuest guest = guest(REWRITE);
    RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.KERNEL));
    assertEquals(new RunResult.ExitPort(0), recording.how());
    assertEquals(20, recording.console().lines().distinct().count(), recording.console());
    RecordReplayTest.assertReplays(guest, recording);
  }

  @Test
  void aGuestThatPrintsRdtscEndsEqualInAPair() throws Exception {
    try (Kvm kvm = Kvm.open();
        MemoryMedium medium = new MemoryMedium(HostileGuest.DISK_BYTES);
        LivePair pair = LivePair.form(kvm, GUEST, "", medium)) {
      VmEnd end = pair.primary().vm().over().get(PAIR_SECONDS, TimeUnit.SECONDS);
      VmEnd other = pair.backup().vm().over().get(PAIR_SECONDS, TimeUnit.SECONDS);
      String said = pair.primary().notes() + "; " + pair.backup().notes();
      assertEquals(
          new RunResult.ExitPort(0), assertInstanceOf(VmEnd.Guest.class, end, said).result());
      assertInstanceOf(VmEnd.Elsewhere.class, other, said);
      assertTrue(pair.backup().notes("divergence").isEmpty(), said);
      assertEquals(20, pair.primary().console().lines().distinct().count());
    }
  }

  /** These two are worth something: without the rewriting the replay reads another clock. */
  @Test
  void withoutTheRewritingTheReplayDiverges() throws Exception {
    RecordedGuest guest = guest(RewriteOptions.NONE);
    RecordedGuest.Recording recording = guest.record(RecordOptions.of(StepReach.KERNEL));
    assertInstanceOf(ReplayOutcome.Diverged.class, guest.replay(recording.entries()).outcome());
  }

  @Test
  void whereNothingSaysWhatIsCodeARecordingIsRefused() throws Exception {
    byte[] kernel = clockWithoutSections();
    assertFalse(load(kernel, REWRITE).rewrites().left().isEmpty());
    Path file = Files.write(directory.resolve("clock.elf"), kernel);
    Path log = directory.resolve("clock.log");
    String refused = record(1, "--kernel", file.toString(), log.toString());
    assertTrue(refused.contains("RDTSC at 0x10"), refused);
    assertTrue(refused.contains("--unsafe-clock"), refused);
    assertFalse(Files.exists(log));
    record(0, "--unsafe-clock", "--kernel", file.toString(), log.toString());
    assertTrue(Files.exists(log));
  }

  private static byte[] clockWithoutSections() {
    byte[] kernel = clock();
    kernel[E_SHNUM] = 0;
    kernel[E_SHNUM + 1] = 0;
    return kernel;
  }

  @Test
  void itsSnapshotIsRefusedLikeTheKernel() throws Exception {
    String snapshot = snapshot(load(clockWithoutSections(), REWRITE)).toString();
    Path log = directory.resolve("clock.log");
    String refused = record(1, "--from", snapshot, log.toString());
    assertTrue(refused.contains("is of a kernel that may read the host's clock"), refused);
    assertTrue(refused.contains("--unsafe-clock"), refused);
    assertFalse(Files.exists(log));
    Path image = directory.resolve("disk.img");
    FileDisk.create(image, MEMORY_BYTES);
    String arbiter = "file:" + image;
    assertEquals(
        refused.replace("lockstep record", "lockstep primary"),
        lockstep(1, "primary", "--from", snapshot, "--arbiter", arbiter));
    record(0, "--unsafe-clock", "--from", snapshot, log.toString());
    assertTrue(Files.exists(log));
    record(0, "--from", snapshot(load(clock(), REWRITE)).toString(), log.toString());
  }

  /** Of a machine that went through a snapshot before: one that was restored tells it on. */
  private Path snapshot(BootImage image) throws Exception {
    ByteArrayOutputStream first = new ByteArrayOutputStream();
    Path file = directory.resolve("clock.snap");
    InputSource none =
        new LiveInputs(new HostInputs(new InputQueue(), MachineLayout.TIMERS, 0, _ -> {}));
    SavedInputs inputs = new SavedInputs(0, List.of());
    MachineConfig config = new MachineConfig(MEMORY_BYTES, CpuModel.Kind.DETERMINISTIC, 0);
    try (Kvm kvm = Kvm.open()) {
      QuirkSet quirks = QuirkProbe.probe(kvm);
      try (Machine machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config, quirks, kvm.supportedCpuid()),
              none,
              OutputSink.console(_ -> {}))) {
        machine.boot(image);
        assertEquals(Optional.empty(), machine.save(first, inputs, Progress.NONE));
      }
      try (Machine machine =
              Machine.create(
                  kvm,
                  MachineOrigin.here(config, quirks, kvm.supportedCpuid()),
                  none,
                  OutputSink.console(_ -> {}));
          OutputStream out = Files.newOutputStream(file)) {
        machine.restore(
            SavedMachine.open(new ByteArrayInputStream(first.toByteArray())), Progress.NONE);
        assertEquals(Optional.empty(), machine.save(out, inputs, Progress.NONE));
      }
    }
    return file;
  }

  private static String record(int code, String... arguments) throws Exception {
    return lockstep(code, "record", arguments);
  }

  /** In a process of its own: its console is standard output. */
  private static String lockstep(int code, String name, String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "lockstep.cli.Main"));
    command.add(name);
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    try {
      process.getOutputStream().close();
      String said = new String(process.getInputStream().readAllBytes(), UTF_8);
      assertEquals(code, process.waitFor(), said);
      return said;
    } finally {
      process.destroyForcibly();
    }
  }

  static Stream<String> guests() {
    return Guests.all().stream().map(Guest::name);
  }

  /** The guests that come with Lockstep can all be recorded and protected. */
  @ParameterizedTest
  @MethodSource("guests")
  void nothingIsLeftInTheGuestsOfTheTable(String name) throws Exception {
    byte[] kernel = Guests.find(name).orElseThrow().image();
    BootImage image =
        BootImages.load(
            BootFile.of(name, kernel), BootConfig.of(256L << 20, "").withRewrite(REWRITE));
    assertTrue(image.rewrites().left().isEmpty(), image.rewrites().left().toString());
  }
}
