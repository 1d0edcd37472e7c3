package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.SharedDisk;
import lockstep.storage.scsi.ScsiArbiter;
import lockstep.storage.scsi.UnitFacts;
import lockstep.storage.scsi.UnitProbe;
import lockstep.storage.scsi.UnitProbe.Tried;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * One SCSI unit behind two adapters of this host: {@code lockstep.scsi.one} and {@code .two} name
 * its devices, which are written. The lab sets them; elsewhere these tests are skipped.
 */
class ScsiDeviceTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final String OTHER_VM = "ffeeddccbbaa99887766554433221100";
  private static final int BLOCK = 4096;
  private static final int WRITERS = 8;

  private String one = "";
  private String two = "";

  @BeforeEach
  void needDevices() {
    one = System.getProperty("lockstep.scsi.one", "");
    two = System.getProperty("lockstep.scsi.two", "");
    assumeTrue(!one.isEmpty() && !two.isEmpty(), "no SCSI disks are given; the lab has some");
  }

  private static SharedDisk open(String device) throws IOException {
    return SharedDisk.open(DiskSpec.parse("dev:" + device), BlockDisk.Use.PAIR);
  }

  private static ScsiArbiter arbiter(SharedDisk disk) {
    return disk.arbiter().orElseThrow(() -> new AssertionError(disk.whyNoReservations()));
  }

  private static Claimant claimant(String vm, Side side) {
    return new Claimant(vm, 1, side);
  }

  private static BlockResult carryOut(SharedDisk disk, BlockRequest request) throws Exception {
    CompletableFuture<BlockResult> result = new CompletableFuture<>();
    disk.medium().submit(request, r -> result.complete(r.kept()));
    return result.get(60, TimeUnit.SECONDS);
  }

  private static BlockResult write(SharedDisk disk, int slot, int value) throws Exception {
    return carryOut(disk, new BlockRequest.Write(1, (long) slot * BLOCK, filled(value), false));
  }

  private static Bytes filled(int value) {
    byte[] data = new byte[BLOCK];
    Arrays.fill(data, (byte) value);
    return Bytes.copyOf(data);
  }

  @Test
  void lostPrimaryIsRefusedByTheKernelWithWritesInFlight() throws Exception {
    Claimant primary = claimant(VM, Side.PRIMARY);
    Claimant backup = claimant(VM, Side.BACKUP);
    try (SharedDisk first = open(one);
        SharedDisk second = open(two)) {
      arbiter(first).enter(primary);
      arbiter(second).enter(backup);
      assertInstanceOf(BlockResult.Done.class, write(first, 0, 1));
      assertInstanceOf(BlockResult.Fenced.class, write(second, 0, 2), "a follower wrote");
      AtomicInteger fenced = new AtomicInteger();
      AtomicInteger ended = new AtomicInteger();
      for (int i = 0; i < WRITERS; i++) {
        new Writer(first, i, fenced, ended).next();
      }
      Thread.sleep(500);
      assertEquals(Verdict.WON, arbiter(second).claim(backup).verdict());
      for (int i = 0; i < WRITERS; i++) {
        assertInstanceOf(BlockResult.Done.class, write(second, i, 0xbb));
      }
      for (int i = 0; i < 100 && ended.get() < WRITERS; i++) {
        Thread.sleep(100);
      }
      assertEquals(WRITERS, fenced.get(), "writers that were refused");
      assertInstanceOf(BlockResult.Fenced.class, write(first, 0, 3));
      for (int i = 0; i < WRITERS; i++) {
        BlockResult read = carryOut(second, new BlockRequest.Read(1, (long) i * BLOCK, BLOCK));
        assertEquals(new BlockResult.Done(1, filled(0xbb)), read, "a late write in slot " + i);
      }
      assertEquals(Verdict.LOST, arbiter(first).claim(primary).verdict());
      assertEquals(Verdict.WON, arbiter(second).claim(backup).verdict());
      arbiter(second).leave(backup);
    }
  }

  /** Writes one slot again and again until it is refused. */
  private record Writer(SharedDisk disk, int slot, AtomicInteger fenced, AtomicInteger ended)
      implements Consumer<BlockResult> {
    void next() {
      disk.medium()
          .submit(new BlockRequest.Write(1, (long) slot * BLOCK, filled(0xaa), false), this);
    }

    @Override
    public void accept(BlockResult result) {
      switch (result) {
        case BlockResult.Done _ -> next();
        case BlockResult.Fenced _ -> {
          fenced.incrementAndGet();
          ended.incrementAndGet();
        }
        case BlockResult.NotStarted held -> throw new IllegalStateException(held.toString());
        case BlockResult.Failed failed -> {
          // A reset may end a write with an error; the next one is refused.
          System.out.println(failed);
          next();
        }
      }
    }
  }

  @Test
  void diskOfLivingVmIsRefusedAndGivenBackAtItsEnd() throws Exception {
    try (SharedDisk second = open(two)) {
      try (SharedDisk first = open(one)) {
        first.heldFor(claimant(VM, Side.PRIMARY));
        IOException refused =
            assertThrows(IOException.class, () -> second.heldFor(claimant(OTHER_VM, Side.PRIMARY)));
        assertTrue(String.valueOf(refused.getMessage()).contains("in use"), refused.toString());
      }
      assertEquals(Optional.empty(), arbiter(second).holderLine());
      assertInstanceOf(BlockResult.Done.class, write(second, 0, 4));
    }
  }

  @Test
  void probeFindsEveryGuarantee() throws Exception {
    try (SharedDisk first = open(one);
        SharedDisk second = open(two)) {
      UnitProbe.Guarantees found =
          UnitProbe.of(
              first.unit().orElseThrow(),
              second.unit(),
              UnitFacts.of(first.unit().orElseThrow()),
              SharedDisk.COMMAND_MILLIS);
      System.out.println(found);
      assertTrue(found.persistent(), found.toString());
      assertEquals(Tried.YES, found.fencesStrangers(), found.toString());
      assertEquals(Tried.YES, found.preempts(), found.toString());
      assertEquals(Tried.YES, found.fencesLosers(), found.toString());
      assertEquals(Tried.YES, found.resets(), found.toString());
      assertEquals(0, found.after(), found.toString());
      assertEquals(java.util.List.of(), arbiter(first).registered());
    }
  }
}
