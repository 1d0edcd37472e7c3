package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import lockstep.kvm.Kvm;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The end of a guest is an output: it is one for both sides, or for none. */
@KvmRequired
class GuestEndTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");

  private static VmEnd end(LiveSide side) throws Exception {
    return side.vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  /** The backup has not heard of the end: so it is one only for a primary that has won the disk. */
  @Test
  void aStopThatTheBackupHasNotHeardOfIsNoEnd() throws Exception {
    Path path = directory.resolve("echo.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, "echo", image)) {
      LiveSide primary = pair.primary();
      LiveSide backup = pair.backup();
      primary.await(text -> text.endsWith("> "), "no prompt", LIMIT_SECONDS);
      primary.channel().mute();
      primary.vm().stop();
      VmEnd ended = end(primary);
      if (ended instanceof VmEnd.Guest) {
        // It has asked the disk first, and has won: then the end is one.
        assertEquals(new VmEnd.Guest(new RunResult.Stopped(), 0), ended);
        assertInstanceOf(VmEnd.Halted.class, end(backup));
        return;
      }
      VmEnd.Halted halted = assertInstanceOf(VmEnd.Halted.class, ended);
      assertTrue(halted.reason().startsWith("the other side goes on"), halted.reason());
      backup.awaitNote("took over", LIMIT_SECONDS);
      backup.type("exit 7\r");
      assertEquals(new VmEnd.Guest(new RunResult.ExitPort(7), 0), end(backup));
    }
  }

  @Test
  void aStopThatTheBackupHasAcknowledgedEndsBoth() throws Exception {
    Path path = directory.resolve("echo.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, "echo", image)) {
      pair.primary().await(text -> text.endsWith("> "), "no prompt", LIMIT_SECONDS);
      pair.primary().vm().stop();
      assertEquals(new VmEnd.Guest(new RunResult.Stopped(), 0), end(pair.primary()));
      assertInstanceOf(VmEnd.Elsewhere.class, end(pair.backup()));
    }
  }

  /**
   * A log that begins with outputs of before would count them, and the survivor leave out as many.
   */
  @Test
  void noLogBeginsWhileOutputsOfBeforeWait() throws Exception {
    Path path = directory.resolve("bank.img");
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(path, IMAGE_BYTES);
        LivePair pair = LivePair.alone(kvm, "bank", image)) {
      LiveSide primary = pair.primary();
      primary.await(text -> text.contains("bank: 2"), "no transaction", LIMIT_SECONDS);
      primary.holdConsole(true);
      primary.awaitHeldWrite(LIMIT_SECONDS);
      pair.protect();
      primary.awaitNote("not protected: the state was not copied: ", LIMIT_SECONDS);
      String note = primary.notes("not protected").getFirst();
      assertTrue(note.contains("outputs wait that the console or the disk does not take"), note);
      assertFalse(primary.vm().over().isDone());
      primary.holdConsole(false);
      int before = primary.console().length();
      primary.await(text -> text.length() > before, "it stands", LIMIT_SECONDS);
      assertEquals(FtState.ALONE, primary.node().status().state());
    }
  }
}
