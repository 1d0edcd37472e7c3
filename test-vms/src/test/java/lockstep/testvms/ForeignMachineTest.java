package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.snapshot.Progress;
import lockstep.replay.log.LogHeader;
import lockstep.replay.log.LogWriter;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Logs and snapshots of machines whose CPU this host does not have, given to the commands. */
@KvmRequired
class ForeignMachineTest {
  /** CPUID 1.ECX: VMX, which no KVM shows unless it is told to nest. */
  private static final int VMX = 1 << 5;

  @TempDir private Path directory = Path.of("");

  @Test
  void aCpuOfAnotherVendorIsRefused() throws Exception {
    assertRefused(
        entry ->
            entry.leaf() == 0
                ? entry.with(entry.eax(), entry.ebx() ^ 1, entry.ecx(), entry.edx())
                : entry,
        "comes from a CPU of another vendor than this host's");
  }

  @Test
  void featuresThatThisHostLacksAreRefusedByName() throws Exception {
    assertRefused(
        entry ->
            entry.leaf() == 1
                ? entry.with(entry.eax(), entry.ebx(), entry.ecx() | VMX, entry.edx())
                : entry,
        "needs CPU features that this host lacks: CPUID 1.ECX 00000020");
  }

  private void assertRefused(UnaryOperator<Cpuid.Entry> changed, String why) throws Exception {
    Path log = directory.resolve("foreign.log");
    Path snapshot = directory.resolve("foreign.snap");
    try (Kvm kvm = Kvm.open();
        Machine machine = machine(kvm, changed);
        LogWriter writer = LogWriter.create(log, new LogHeader(Map.of()))) {
      try (OutputStream state = writer.stateStream()) {
        save(machine, state);
      }
      try (OutputStream state = Files.newOutputStream(snapshot)) {
        save(machine, state);
      }
    }
    assertRefusal("log " + log + " " + why, "replay", "--verify", log.toString());
    assertRefusal("log " + log + " " + why, "replay", "--go-live", log.toString());
    assertRefusal("snapshot " + snapshot + " " + why, "run", "--from", snapshot.toString());
  }

  private static Machine machine(Kvm kvm, UnaryOperator<Cpuid.Entry> changed) throws Exception {
    MachineOrigin here =
        MachineOrigin.here(
            new MachineConfig(2 << 20, CpuModel.Kind.DETERMINISTIC, 0),
            QuirkProbe.probe(kvm),
            kvm.supportedCpuid());
    Cpuid foreign = new Cpuid(here.cpuid().entries().stream().map(changed).toList());
    HostInputs host = new HostInputs(new InputQueue(), MachineLayout.TIMERS, 0, hostNanos -> {});
    return Machine.create(
        kvm,
        new MachineOrigin(here.config(), here.quirks(), foreign, false),
        new LiveInputs(host),
        OutputSink.console(value -> {}));
  }

  private static void save(Machine machine, OutputStream out) throws Exception {
    machine.save(out, new SavedInputs(0, List.of()), Progress.NONE);
  }

  private static void assertRefusal(String line, String command, String... arguments)
      throws Exception {
    try (ConsoleSession session = ConsoleSession.of(command, arguments)) {
      assertEquals(1, session.exitCode(), session.transcript());
      assertEquals(1, session.transcript().strip().lines().count(), session.transcript());
      assertTrue(session.transcript().contains(line), session.transcript());
    }
  }
}
