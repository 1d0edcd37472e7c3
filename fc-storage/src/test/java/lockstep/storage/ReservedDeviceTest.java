package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.PersistentReserve;
import lockstep.storage.scsi.ScsiArbiter;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.Standing;
import lockstep.testing.ModelUnit;
import org.junit.jupiter.api.Test;

/**
 * A device whose unit has forgotten whose it is takes every write, a loser's too: they wait until
 * that is known again, as those of an iSCSI session do.
 */
class ReservedDeviceTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final Claimant PRIMARY = new Claimant(VM, 1, Claimant.Side.PRIMARY);
  private static final int BLOCK = 512;
  private static final long LIMIT_SECONDS = 60;

  /** The kernel connects again by itself, before anybody has looked. */
  private static final class Unit implements ScsiTransport {
    private final ModelUnit unit = new ModelUnit(ModelUnit.Kind.FORGETS, (_, _, _) -> {});
    private ModelUnit.Connection kernel = unit.connect("a");

    @Override
    public synchronized ScsiReply execute(
        Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis) throws IOException {
      if (!kernel.isUp()) {
        kernel = unit.connect("a");
      }
      return kernel.execute(cdb, dataOut);
    }

    @Override
    public synchronized void resetUnit(int timeoutMillis) throws IOException {
      kernel.reset();
    }

    synchronized void restart() {
      unit.restart();
    }

    @Override
    public String name() {
      return "dev:/dev/sdx";
    }
  }

  /** Asks its permit as an engine does, and shows what has come so far. */
  private static final class Medium implements BlockDevice {
    private final BlockingQueue<BlockRequest> carriedOut = new LinkedBlockingQueue<>();
    private volatile WritePermit permit = WritePermit.ALWAYS;

    @Override
    public Geometry geometry() {
      return new Geometry(1 << 20, BLOCK, false, false);
    }

    @Override
    public int depth() {
      return 32;
    }

    @Override
    public void permit(WritePermit now) {
      permit = now;
    }

    @Override
    public void submit(BlockRequest request, Consumer<BlockResult> completion) {
      if (request.changes() && permit.now() != WritePermit.Answer.START) {
        completion.accept(new BlockResult.NotStarted(request.id()));
        return;
      }
      carriedOut.add(request);
      completion.accept(new BlockResult.Done(request.id(), Bytes.empty()));
    }

    @Override
    public void dropCache() {
      // None.
    }

    @Override
    public void close() {
      // Nothing is open.
    }
  }

  @Test
  void writesWaitWhileTheUnitHasForgottenWhoseItIs() throws Exception {
    Unit unit = new Unit();
    Medium medium = new Medium();
    BlockingQueue<BlockResult> results = new LinkedBlockingQueue<>();
    try (ScsiArbiter arbiter =
            new ScsiArbiter(unit, PersistentReserve.Type.WRITE_EXCLUSIVE, 5_000);
        LeasedDisk disk = new LeasedDisk(medium, Tenure.of(arbiter, "the device"))) {
      arbiter.enter(PRIMARY);
      disk.submit(write(1), results::add);
      assertInstanceOf(BlockResult.Done.class, results.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
      arbiter.contested(true);
      unit.restart();
      assertEquals(Standing.WAITS, arbiter.restore(unit));
      disk.submit(write(2), results::add);
      disk.submit(new BlockRequest.Read(3, 0, BLOCK), results::add);
      assertEquals(
          new BlockResult.Done(3, Bytes.empty()), results.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
      assertNull(results.poll(200, TimeUnit.MILLISECONDS), "a write that may be a loser's");
      assertEquals(2, medium.carriedOut.size());
      arbiter.contested(false);
      assertEquals(Standing.HOLDS, arbiter.restore(unit));
      assertEquals(
          new BlockResult.Done(2, Bytes.empty()), results.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
    }
  }

  private static BlockRequest.Write write(long id) {
    return new BlockRequest.Write(id, 0, Bytes.copyOf(new byte[BLOCK]), false);
  }
}
