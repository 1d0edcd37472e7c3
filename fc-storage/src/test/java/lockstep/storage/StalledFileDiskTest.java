package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.ffi.disk.RingEngine;
import lockstep.testing.FrozenFileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A file system that takes no writes for as long as it likes, as one does when its own storage is
 * away: reads of the same disk must not wait for it.
 */
class StalledFileDiskTest {
  private static final int BLOCK_BYTES = 4096;
  private static final int BLOCKS = 256;
  private static final long FILE_SYSTEM_BYTES = 16 << 20;

  /** What is held up is so for ever; what is not takes microseconds. */
  private static final long LIMIT_SECONDS = 20;

  @TempDir private Path directory = Path.of("");

  private static CompletableFuture<BlockResult> submit(FileDisk disk, BlockRequest request) {
    CompletableFuture<BlockResult> done = new CompletableFuture<>();
    disk.submit(request, result -> done.complete(result.kept()));
    return done;
  }

  private static BlockRequest.Write write(int block, int value) {
    byte[] data = new byte[BLOCK_BYTES];
    Arrays.fill(data, (byte) value);
    return new BlockRequest.Write(
        1_000 + block, (long) block * BLOCK_BYTES, Bytes.copyOf(data), false);
  }

  private static void assertReads(FileDisk disk, int block, int value) throws Exception {
    BlockRequest read = new BlockRequest.Read(block, (long) block * BLOCK_BYTES, BLOCK_BYTES);
    byte[] expected = new byte[BLOCK_BYTES];
    Arrays.fill(expected, (byte) value);
    assertEquals(
        new BlockResult.Done(block, Bytes.copyOf(expected)),
        submit(disk, read).get(LIMIT_SECONDS, TimeUnit.SECONDS));
  }

  /** All but one of the requests that a disk takes are writes that wait. */
  @ParameterizedTest
  @EnumSource(DiskEngine.Kind.class)
  void readsGoOnWhileWritesWait(DiskEngine.Kind kind) throws Exception {
    Optional<String> refusal =
        kind == DiskEngine.Kind.IO_URING ? RingEngine.refusal() : Optional.empty();
    assumeTrue(refusal.isEmpty(), () -> "no io_uring here: " + refusal.orElse(""));
    Path storage = directory.resolve("fs.img");
    try (FileChannel file =
        FileChannel.open(storage, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      file.write(java.nio.ByteBuffer.allocate(1), FILE_SYSTEM_BYTES - 1);
    }
    try (FrozenFileSystem fileSystem = FrozenFileSystem.in(storage)) {
      Path image = fileSystem.directory().resolve("disk.img");
      FileDisk.create(image, (long) BLOCKS * BLOCK_BYTES);
      try (FileDisk disk =
          FileDisk.open(
              image,
              FileDisk.HostCache.USED,
              medium -> DiskEngine.of(kind, medium, NativeDisk.DEPTH))) {
        for (int i = 0; i < BLOCKS; i++) {
          assertInstanceOf(
              BlockResult.Done.class,
              submit(disk, write(i, i)).get(LIMIT_SECONDS, TimeUnit.SECONDS));
        }
        fileSystem.freeze();
        List<CompletableFuture<BlockResult>> waiting = new ArrayList<>();
        try {
          for (int i = 0; i < NativeDisk.DEPTH - 1; i++) {
            waiting.add(submit(disk, write(i, 200)));
            assertReads(disk, BLOCKS - 1 - i, BLOCKS - 1 - i);
          }
          for (CompletableFuture<BlockResult> write : waiting) {
            assertFalse(write.isDone(), "a write to a frozen file system");
          }
        } finally {
          fileSystem.thaw();
        }
        for (CompletableFuture<BlockResult> write : waiting) {
          assertInstanceOf(
              BlockResult.Done.class, write.get(LIMIT_SECONDS, TimeUnit.SECONDS), "after the thaw");
        }
        for (int i = 0; i < NativeDisk.DEPTH - 1; i++) {
          assertReads(disk, i, 200);
        }
      }
    }
  }

  /** More writes than the engine has threads: the rest is in its queue when the side loses. */
  @Test
  void loserSubmitsNothingOfItsQueue() throws Exception {
    Path storage = directory.resolve("fs.img");
    FileDisk.create(storage, FILE_SYSTEM_BYTES);
    AtomicReference<WritePermit.Answer> answer = new AtomicReference<>(WritePermit.Answer.START);
    try (FrozenFileSystem fileSystem = FrozenFileSystem.in(storage)) {
      Path image = fileSystem.directory().resolve("disk.img");
      FileDisk.create(image, (long) BLOCKS * BLOCK_BYTES);
      try (FileDisk disk =
          FileDisk.open(
              image,
              FileDisk.HostCache.BYPASSED,
              medium -> DiskEngine.of(DiskEngine.Kind.THREADS, medium, NativeDisk.DEPTH))) {
        disk.permit(() -> Objects.requireNonNull(answer.get()));
        for (int i = 0; i < NativeDisk.DEPTH; i++) {
          assertInstanceOf(
              BlockResult.Done.class,
              submit(disk, write(i, i)).get(LIMIT_SECONDS, TimeUnit.SECONDS));
        }
        fileSystem.freeze();
        List<CompletableFuture<BlockResult>> queued = new ArrayList<>();
        try {
          for (int i = 0; i < NativeDisk.DEPTH; i++) {
            queued.add(submit(disk, write(i, 200)));
          }
          answer.set(WritePermit.Answer.DROP);
        } finally {
          fileSystem.thaw();
        }
        int notStarted = 0;
        for (int i = 0; i < NativeDisk.DEPTH; i++) {
          boolean old =
              queued.get(i).get(LIMIT_SECONDS, TimeUnit.SECONDS) instanceof BlockResult.NotStarted;
          notStarted += old ? 1 : 0;
          assertReads(disk, i, old ? i : 200);
        }
        assertTrue(notStarted >= NativeDisk.DEPTH - DiskEngine.MAX_THREADS, notStarted + " of all");
      }
    }
  }
}
