package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import lockstep.cli.demo.BankRecord;
import lockstep.kvm.Kvm;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.sys.SysException;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A KVM that fails on one host is what the other host is for; a guest that crashes has ended. */
@KvmRequired
class HostFailureTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");

  private static VmEnd end(LiveSide side) throws Exception {
    return side.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private static void fails(LivePair pair, FailingMachine.Failure how) throws Exception {
    LiveSide primary = pair.primary();
    primary.await(text -> text.contains("bank: 2\r\n"), "no transaction", LIMIT_SECONDS);
    Objects.requireNonNull(pair.machine().get()).fail(how);
    // A look makes the machine leave its run.
    Future<?> unused = primary.vm().inspect((_, _) -> Optional.empty());
  }

  private void theBackupTakesOver(FailingMachine.Failure how) throws Exception {
    Path path = directory.resolve("bank.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      fails(pair, how);
      VmEnd.Halted halted = assertInstanceOf(VmEnd.Halted.class, end(pair.primary()));
      assertTrue(
          halted.reason().startsWith("this host cannot run the guest, which is left to the backup"),
          halted.reason());
      LiveSide backup = pair.backup();
      backup.awaitNote("took over", LIMIT_SECONDS);
      int before = backup.console().length();
      backup.await(text -> text.length() > before, "it stands", LIMIT_SECONDS);
      backup.type("q");
      assertInstanceOf(VmEnd.Guest.class, end(backup));
      BankRecord record =
          new BankRecord(
              pair.primary().console().getBytes(ISO_8859_1),
              backup.console().getBytes(ISO_8859_1),
              backup.goesLiveAt());
      assertEquals(Optional.empty(), record.consoleComplaint());
      assertEquals(Optional.empty(), record.diskComplaint(path));
    }
  }

  @Test
  void anEntryThatTheCpuRefusesIsLeftToTheBackup() throws Exception {
    theBackupTakesOver(
        () -> new RunResult.Crashed(RunResult.Cause.HOST, "the CPU refused to enter the guest"));
  }

  @Test
  void aKvmCallThatFailsIsLeftToTheBackup() throws Exception {
    theBackupTakesOver(
        () -> {
          throw new SysException("KVM_RUN", "planted", 5);
        });
  }

  @Test
  void aTripleFaultIsTheGuestsOwnEnd() throws Exception {
    Path path = directory.resolve("bank.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      RunResult crash = new RunResult.Crashed(RunResult.Cause.GUEST, "the guest triple-faulted");
      fails(pair, () -> crash);
      assertEquals(new VmEnd.Guest(crash, 0), end(pair.primary()));
    }
  }
}
