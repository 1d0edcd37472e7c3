package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.OptionalInt;
import lockstep.cli.guest.BuiltInGuest;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.vcpu.SpecialPorts;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The tiny Linux, recorded while somebody works in its shell, and replayed. */
@KvmRequired
class RecordedLinuxTest {
  /** Only ends what hangs: with {@link HostNoise} on a busy host a boot takes minutes. */
  private static final long BOOT_LIMIT_SECONDS = 600;

  private static final long ANSWER_LIMIT_SECONDS = 300;

  @BeforeAll
  static void theGuestIsBuilt() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built: run test-vms/linux/build, which ./verify does");
  }

  static RecordedGuest linux(RecordedGuest.Driver driver) throws BootException {
    BuiltInGuest guest = new LinuxCatalog().guests().getFirst();
    BuiltInGuest.Files files = guest.source().files(note -> {});
    return new RecordedGuest(
        quirks ->
            BootImages.load(
                files.kernel(),
                BootConfig.of(guest.memoryBytes(), guest.commandLine())
                    .withInitrd(files.initrd().orElseThrow())
                    .withRewrite(
                        new RewriteOptions(
                            OptionalInt.of(SpecialPorts.CLOCK_PORT),
                            OptionalInt.of(SpecialPorts.CLOCK_AUX_PORT),
                            quirks.rewriteCpuid()
                                ? OptionalInt.of(SpecialPorts.CPUID_PORT)
                                : OptionalInt.empty()))),
        guest.memoryBytes(),
        driver);
  }

  /** Boots, works in the shell, keeps the CPU busy in user mode, and powers off. */
  static void session(LiveConsole console) throws Exception {
    console.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
    for (String line : new String[] {"uname", "forks 5", "burn 200", "echo done"}) {
      console.type(line + "\n");
      console.await(ConsoleSession.PROMPT, ANSWER_LIMIT_SECONDS);
    }
    console.type("poweroff\n");
  }

  @Test
  void bootShellLoadAndPowerOffReplayWithEqualDigests() throws Exception {
    RecordedGuest recorded = linux(RecordedLinuxTest::session);
    RecordedGuest.Recording recording = recorded.record(RecordOptions.of(StepReach.NONE));
    assertTrue(recording.count(LogEntry.Kind.DELIVERY) > 50, "hardly any interrupts");
    assertTrue(
        recording.entries().stream()
            .anyMatch(
                entry ->
                    entry instanceof LogEntry.Point point
                        && point.at() instanceof ExecutionPoint.StateSync),
        "a guest in a user-space loop was not placed by state-sync");
    RecordReplayTest.assertReplays(recorded, recording);
  }
}
