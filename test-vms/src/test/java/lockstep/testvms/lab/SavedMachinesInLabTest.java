package lockstep.testvms.lab;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.ExternalInput.Decision;
import lockstep.monitor.input.ExternalInput.HostDecision;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.testing.KvmRequired;
import lockstep.testvms.Guest;
import lockstep.testvms.Guests;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Saved machines on the lab's KVM: made there, and made on this host's. */
@Tag("lab")
final class SavedMachinesInLabTest {
  /** A minute and a half where the host is idle. */
  private static final Duration TIMEOUT = Duration.ofMinutes(6);

  @ParameterizedTest
  @ValueSource(strings = {"MovedMachineTest", "MovedLiveMachineTest"})
  void movedGuestsEndAsOthersOnStockKvm(String test) throws Exception {
    String[] command = LabJob.junit("lockstep.testvms." + test).toArray(String[]::new);
    LabResult result =
        lab()
            .run(
                LabJob.of(LabJob.ownClassPath(), command).withTimeout(TIMEOUT),
                OutputStream.nullOutputStream());
    assertEquals(0, result.exitCode(), result::console);
    assertTrue(result.console().contains(" 0 tests skipped"), result::console);
  }

  @Test
  @KvmRequired
  void aMachineSavedOnThisKvmGoesOnOnStockKvm(@TempDir Path directory) throws Exception {
    assumeTrue(
        Files.readString(Path.of("/proc/cpuinfo")).contains("AuthenticAMD"),
        "the lab's CPU is an AMD, this host's is not: CPUID differs");
    save(directory.resolve("echo.snap"));
    List<Path> classPath = new ArrayList<>(LabJob.ownClassPath());
    classPath.add(directory);
    LabJob job =
        LabJob.of(classPath, "sh", "-c", "lockstep run --from $(find /lab -name echo.snap)")
            .withInput(" typed\rexit 9\r")
            .withTimeout(TIMEOUT);
    LabResult result = lab().run(job, OutputStream.nullOutputStream());
    assertTrue(result.console().contains("HALF TYPED"), result::console);
    assertEquals(9, result.exitCode(), result::console);
  }

  private static HostLab lab() throws Exception {
    return HostLab.prepare(Path.of(""));
  }

  /** The echo guest, waiting in the middle of a typed line. */
  private static void save(Path file) throws Exception {
    Guest guest = Guests.find("echo").orElseThrow();
    long memoryBytes = (long) guest.memoryMib() << 20;
    InputQueue queue = new InputQueue();
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    // Once the guest shows its prompt it is typed to, once it has echoed that it is stopped.
    Runnable[] kick = {() -> {}};
    try (Kvm kvm = Kvm.open();
        KickTimer timer = new KickTimer(() -> kick[0].run())) {
      HostInputs host = new HostInputs(queue, MachineLayout.TIMERS, 0, timer);
      MachineConfig config = new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0);
      try (Machine machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config, QuirkProbe.probe(kvm), kvm.supportedCpuid()),
              new LiveInputs(host),
              OutputSink.console(
                  value -> {
                    console.write(value);
                    if (value == '>') {
                      queue.offer(new ConsoleBytes(Bytes.copyOf(new byte[] {'h', 'a', 'l', 'f'})));
                    } else if (console.toString(ISO_8859_1).endsWith("> half")) {
                      queue.offer(new HostDecision(Decision.STOP));
                    }
                  }))) {
        machine.boot(
            BootImages.load(
                BootFile.of(guest.name(), guest.image()), BootConfig.of(memoryBytes, "")));
        VcpuHandle handle = new VcpuHandle(machine.kick(), Thread.currentThread());
        kick[0] = handle::kick;
        queue.wakeWith(handle::kick);
        assertEquals(new RunResult.Stopped(), machine.run());
        try (OutputStream out = Files.newOutputStream(file)) {
          SavedInputs inputs = new SavedInputs(host.nowNanos(), queue.waiting());
          assertEquals(Optional.empty(), machine.save(out, inputs, Progress.NONE));
        }
      }
    }
  }
}
