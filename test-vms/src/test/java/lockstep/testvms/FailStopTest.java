package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import lockstep.cli.demo.BankRecord;
import lockstep.kvm.Kvm;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A thread of the primary that fails takes its side with it, heartbeats first: the backup takes
 * over at once. A side that beats on without its vCPU or its outputs would be a frozen VM for ever.
 */
@KvmRequired
class FailStopTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");

  /** What goes wrong at the primary. */
  @FunctionalInterface
  private interface Plant {
    void in(LiveSide primary);
  }

  private void backupTakesOver(Plant plant) throws Exception {
    Path path = directory.resolve("bank.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      LiveSide primary = pair.primary();
      LiveSide backup = pair.backup();
      primary.await(text -> text.contains("bank: 2\r\n"), "no transaction", LIMIT_SECONDS);
      plant.in(primary);
      primary.awaitNote("fail-stop: ", LIMIT_SECONDS);
      backup.awaitNote("took over", LIMIT_SECONDS);
      int before = backup.console().length();
      backup.await(text -> text.length() > before, "it stands", LIMIT_SECONDS);
      backup.type("q");
      assertTrue(
          backup.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof VmEnd.Guest,
          () -> backup.notes().toString());
      BankRecord record =
          new BankRecord(
              primary.console().getBytes(ISO_8859_1),
              backup.console().getBytes(ISO_8859_1),
              backup.goesLiveAt());
      assertEquals(Optional.empty(), record.consoleComplaint());
      assertEquals(Optional.empty(), record.diskComplaint(path));
    }
  }

  @Test
  void anErrorOnTheVcpuThreadIsTheEndOfThisSide() throws Exception {
    backupTakesOver(
        primary -> {
          Future<?> unused =
              primary
                  .vm()
                  .inspect(
                      (_, _) -> {
                        throw new StackOverflowError("planted in a look");
                      });
        });
  }

  @Test
  void anErrorOfTheConsoleIsTheEndOfThisSide() throws Exception {
    backupTakesOver(LiveSide::breakConsole);
  }

  @Test
  void anErrorOfTheMediumIsTheEndOfThisSide() throws Exception {
    backupTakesOver(primary -> primary.medium().fail());
  }
}
