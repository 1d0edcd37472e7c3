package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.testing.MirrorMount;
import lockstep.testing.SmallFileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * One image that two hosts reach, each with a page cache of its own: two mounts of one directory
 * that cache writes. A host that loses power is a mount whose daemon is killed.
 */
class TwoHostsImageTest {
  private static final int BLOCKS = 50;
  private static final int BLOCK_BYTES = 4096;
  private static final long LIMIT_SECONDS = 120;

  @TempDir private Path directory = Path.of("");

  private static BlockResult result(FileDisk disk, BlockRequest request) throws Exception {
    CompletableFuture<BlockResult> done = new CompletableFuture<>();
    disk.submit(request, r -> done.complete(r.kept()));
    return done.get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private static Bytes content(int value) {
    byte[] data = new byte[BLOCK_BYTES];
    Arrays.fill(data, (byte) value);
    return Bytes.copyOf(data);
  }

  private static void writeAll(FileDisk disk, int value) throws Exception {
    for (int i = 0; i < BLOCKS; i++) {
      assertEquals(
          new BlockResult.Done(i, Bytes.empty()),
          result(
              disk, new BlockRequest.Write(i, (long) i * BLOCK_BYTES, content(value + i), false)));
    }
  }

  /** How many blocks do not hold what was written last. */
  private static int wrong(FileDisk disk, int value) throws Exception {
    int wrong = 0;
    for (int i = 0; i < BLOCKS; i++) {
      BlockResult read =
          result(disk, new BlockRequest.Read(i, (long) i * BLOCK_BYTES, BLOCK_BYTES));
      wrong += read.equals(new BlockResult.Done(i, content(value + i))) ? 0 : 1;
    }
    return wrong;
  }

  /** A directory that two hosts have mounted. */
  private record Hosts(Path shared, MirrorMount a, MirrorMount b) implements AutoCloseable {
    static Hosts of(Path program, Path shared) throws Exception {
      FileDisk.create(shared.resolve("disk.img"), (long) BLOCKS * BLOCK_BYTES);
      return new Hosts(shared, MirrorMount.of(program, shared), MirrorMount.of(program, shared));
    }

    FileDisk atA(FileDisk.HostCache cache) throws IOException {
      return FileDisk.open(a.directory().resolve("disk.img"), cache);
    }

    FileDisk atB(FileDisk.HostCache cache) throws IOException {
      return FileDisk.open(b.directory().resolve("disk.img"), cache);
    }

    @Override
    public void close() throws IOException {
      try (b) {
        a.close();
      }
    }
  }

  private int lostByPowerLoss(Path shared, FileDisk.HostCache cache) throws Exception {
    Path program = MirrorMount.compile(directory);
    try (Hosts hosts = Hosts.of(program, shared)) {
      FileDisk primary = hosts.atA(cache);
      try {
        writeAll(primary, 1);
        hosts.a().losePower();
      } finally {
        closeOfDeadHost(primary);
      }
      try (FileDisk survivor = hosts.atB(FileDisk.HostCache.BYPASSED)) {
        return wrong(survivor, 1);
      }
    }
  }

  private static void closeOfDeadHost(FileDisk disk) {
    try {
      disk.close();
    } catch (IOException e) {
      // Its storage is out of reach, and its flush fails.
    }
  }

  @Test
  void completedWritesOutliveTheirHost() throws Exception {
    assertEquals(0, lostByPowerLoss(directory, FileDisk.HostCache.BYPASSED));
  }

  @Test
  void completedWritesOutliveTheirHostWhereThereIsNoDirectIo() throws Exception {
    try (SmallFileSystem memory = SmallFileSystem.ofBytes(1 << 20)) {
      assertEquals(0, lostByPowerLoss(memory.directoryForOthers(), FileDisk.HostCache.BYPASSED));
    }
  }

  /** Without this the tests above would prove nothing. */
  @Test
  void pageCacheOfOneHostIsLostWithIt() throws Exception {
    assertNotEquals(0, lostByPowerLoss(directory, FileDisk.HostCache.USED));
  }

  private void assertNothingStale(Path shared) throws Exception {
    Path program = MirrorMount.compile(directory);
    try (Hosts hosts = Hosts.of(program, shared);
        FileDisk backup = hosts.atB(FileDisk.HostCache.BYPASSED);
        FileDisk primary = hosts.atA(FileDisk.HostCache.BYPASSED)) {
      // The backup's host was the primary's once, and remembers what it read then.
      writeAll(primary, 1);
      assertEquals(0, wrong(backup, 1));
      writeAll(primary, 101);
      backup.dropCache();
      assertEquals(0, wrong(backup, 101), backup.access());
    }
  }

  @Test
  void survivorReadsNothingStale() throws Exception {
    assertNothingStale(directory);
  }

  @Test
  void survivorReadsNothingStaleWhereThereIsNoDirectIo() throws Exception {
    try (SmallFileSystem memory = SmallFileSystem.ofBytes(1 << 20)) {
      assertNothingStale(memory.directoryForOthers());
    }
  }

  @Test
  void loserFlushesNothing() throws Exception {
    Path program = MirrorMount.compile(directory);
    try (Hosts hosts = Hosts.of(program, directory)) {
      FileDisk winner = hosts.atA(FileDisk.HostCache.BYPASSED);
      FileDisk loser = hosts.atA(FileDisk.HostCache.BYPASSED);
      writeAll(loser, 1);
      loser.permit(() -> WritePermit.Answer.DROP);
      // So that a flush fails, and is seen.
      hosts.a().losePower();
      assertThrows(IOException.class, winner::close);
      loser.close();
    }
  }

  @Test
  void accessSaysWhatItIs() throws Exception {
    Path image = directory.resolve("here.img");
    FileDisk.create(image, 1 << 20);
    try (FileDisk direct = FileDisk.open(image, FileDisk.HostCache.BYPASSED)) {
      assertTrue(direct.access().contains("direct"), direct.access());
    }
    try (SmallFileSystem memory = SmallFileSystem.ofBytes(2 << 20)) {
      Path inMemory = memory.directory().resolve("disk.img");
      FileDisk.create(inMemory, 1 << 20);
      try (FileDisk synchronous = FileDisk.open(inMemory, FileDisk.HostCache.BYPASSED)) {
        assertTrue(synchronous.access().contains("synchronous"), synchronous.access());
      }
    }
  }
}
