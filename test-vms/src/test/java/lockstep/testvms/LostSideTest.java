package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import lockstep.kvm.Kvm;
import lockstep.replay.ft.FtVm;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.protocol.FtState;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A primary that is cut off while the backup goes live: what of it must not appear afterwards. */
@KvmRequired
class LostSideTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 120;

  @TempDir private Path directory = Path.of("");

  private static void awaitState(LiveSide side, FtState state) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (side.node().status().state() != state) {
      assertTrue(
          System.nanoTime() < deadline, () -> side.node().status().state() + " " + side.notes());
      Thread.sleep(10);
    }
  }

  /** It has passed the gate and the bridge, and waits in the engine: there it must end. */
  @Test
  void writeThatTheEngineHadNotStartedNeverComes() throws Exception {
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(directory.resolve("bank.img"), IMAGE_BYTES);
        LivePair pair =
            LivePair.form(kvm, new LivePair.Disks(image, image, LivePair.Winner.BACKUP))) {
      LiveSide primary = pair.primary();
      LiveSide backup = pair.backup();
      primary.await(text -> text.contains("bank: 2\r\n"), "nothing printed", LIMIT_SECONDS);
      primary.medium().hold();
      primary.medium().awaitHeld(LIMIT_SECONDS);
      primary.channel().cut();
      awaitState(backup, FtState.ALONE);
      backup.await(text -> text.contains("\n"), "the survivor stands", LIMIT_SECONDS);
      awaitState(primary, FtState.HALTED);
      assertEquals(0, primary.medium().notStarted());
      primary.medium().release();
      assertEquals(1, primary.medium().notStarted(), "the old write came");
    }
  }

  /** Its state is of a time that the survivor never had. */
  @Test
  void snapshotOfAStateThatNobodyAcknowledgedDoesNotAppear() throws Exception {
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(directory.resolve("bank.img"), IMAGE_BYTES);
        LivePair pair =
            LivePair.form(kvm, new LivePair.Disks(image, image, LivePair.Winner.BACKUP))) {
      LiveSide primary = pair.primary();
      primary.await(text -> text.contains("bank: 2\r\n"), "nothing printed", LIMIT_SECONDS);
      OutputGate.Point seen = pointOf(primary.vm());
      assertTrue(primary.vm().awaitKept(seen, TimeUnit.SECONDS.toNanos(LIMIT_SECONDS)));
      primary.channel().cut();
      OutputGate.Point unseen = pointOf(primary.vm());
      // Until it is known who goes on, and after that.
      assertFalse(primary.vm().awaitKept(unseen, TimeUnit.SECONDS.toNanos(LIMIT_SECONDS)));
      awaitState(primary, FtState.HALTED);
      assertFalse(primary.vm().awaitKept(unseen, TimeUnit.SECONDS.toNanos(LIMIT_SECONDS)));
    }
  }

  private static OutputGate.Point pointOf(FtVm vm) throws Exception {
    AtomicReference<OutputGate.Point> point = new AtomicReference<>();
    assertEquals(
        Optional.empty(),
        vm.inspect(
                (machine, inputs) -> {
                  point.set(vm.point());
                  return Optional.empty();
                })
            .get(LIMIT_SECONDS, TimeUnit.SECONDS));
    return Objects.requireNonNull(point.get());
  }
}
