package lockstep.storage;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static lockstep.monitor.block.WritePermit.Answer.DROP;
import static lockstep.monitor.block.WritePermit.Answer.HOLD;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.ReadData;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.ffi.disk.RingEngine;
import lockstep.testing.LargeBlockFileSystem;
import lockstep.testing.SmallFileSystem;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A disk that is a file; with each engine, through the page cache and past it. */
@ParameterizedClass
@MethodSource("ways")
class FileDiskTest {
  private static final int SIZE_BYTES = 1 << 20;

  @TempDir private Path directory = Path.of("");

  @Parameter(0)
  private DiskEngine.Kind kind = DiskEngine.Kind.THREADS;

  @Parameter(1)
  private FileDisk.HostCache cache = FileDisk.HostCache.USED;

  static Stream<Arguments> ways() {
    return Stream.of(DiskEngine.Kind.values())
        .flatMap(
            kind -> Stream.of(FileDisk.HostCache.values()).map(cache -> Arguments.of(kind, cache)));
  }

  @BeforeEach
  void engineIsThere() {
    Optional<String> refusal =
        kind == DiskEngine.Kind.IO_URING ? RingEngine.refusal() : Optional.empty();
    assumeTrue(refusal.isEmpty(), () -> "no io_uring here: " + refusal.orElse(""));
  }

  private FileDisk open(Path path) throws IOException {
    return FileDisk.open(path, cache, medium -> DiskEngine.of(kind, medium, NativeDisk.DEPTH));
  }

  private Path image() throws IOException {
    Path path = directory.resolve("disk.img");
    FileDisk.create(path, SIZE_BYTES);
    return path;
  }

  private static BlockResult result(FileDisk disk, BlockRequest request) throws Exception {
    CompletableFuture<BlockResult> done = new CompletableFuture<>();
    disk.submit(request, r -> done.complete(r.kept()));
    return done.get(20, TimeUnit.SECONDS);
  }

  @Test
  void whatIsWrittenIsReadAndInTheFile() throws Exception {
    assertReadsWhatItWrites(image());
  }

  /** Requests of 512 bytes, where direct transfers have 4,096 at least. */
  @Test
  void whatIsWrittenIsReadOnADeviceOfLargeBlocks() throws Exception {
    Path storage = directory.resolve("fs.img");
    FileDisk.create(storage, 16L << 20);
    try (LargeBlockFileSystem large = LargeBlockFileSystem.in(storage)) {
      Path path = large.directory().resolve("disk.img");
      FileDisk.create(path, SIZE_BYTES);
      assertReadsWhatItWrites(path);
    }
  }

  private void assertReadsWhatItWrites(Path path) throws Exception {
    byte[] expected = new byte[SIZE_BYTES];
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (FileDisk disk = open(path)) {
      for (int i = 0; i < 200; i++) {
        int length = 512 * (1 + random.nextInt(16));
        int offset = 512 * random.nextInt((SIZE_BYTES - length) / 512);
        byte[] data = new byte[length];
        random.nextBytes(data);
        System.arraycopy(data, 0, expected, offset, length);
        assertEquals(
            new BlockResult.Done(i, Bytes.empty()),
            result(
                disk, new BlockRequest.Write(i, offset, Bytes.copyOf(data), random.nextBoolean())),
            "seed " + seed);
        assertEquals(
            new BlockResult.Done(i, Bytes.copyOf(data)),
            result(disk, new BlockRequest.Read(i, offset, length)),
            "seed " + seed);
      }
      assertInstanceOf(BlockResult.Done.class, result(disk, new BlockRequest.Flush(1)));
    }
    assertArrayEquals(expected, Files.readAllBytes(path), "seed " + seed);
  }

  /** One place of the disk: written, read back within the completion, written again. */
  private static final class Chain {
    private final FileDisk disk;
    private final int id;
    private final int length;
    private final CompletableFuture<Integer> end = new CompletableFuture<>();
    private int round;
    private byte[] expected = {};

    Chain(FileDisk disk, int id, int length) {
      this.disk = disk;
      this.id = id;
      this.length = length;
    }

    void write() {
      expected = new byte[length];
      Arrays.fill(expected, (byte) (31 * id + round));
      disk.submit(
          new BlockRequest.Write(id, (long) id * CHAIN_BYTES, Bytes.copyOf(expected), false),
          this::written);
    }

    private void written(BlockResult result) {
      if (!(result instanceof BlockResult.Done)) {
        end.completeExceptionally(new AssertionError(result));
        return;
      }
      disk.submit(new BlockRequest.Read(id, (long) id * CHAIN_BYTES, length), this::read);
    }

    private void read(BlockResult result) {
      if (!result.kept().equals(new BlockResult.Done(id, Bytes.copyOf(expected)))) {
        end.completeExceptionally(new AssertionError("round " + round + ": " + result));
      } else if (++round == CHAIN_ROUNDS) {
        end.complete(round);
      } else {
        write();
      }
    }
  }

  private static final int CHAIN_BYTES = 256 << 10;
  private static final int CHAIN_ROUNDS = 50;

  @Test
  void requestsMadeByCompletionsFindTheirDataWhileTheDiskIsFull() throws Exception {
    Path path = directory.resolve("disk.img");
    FileDisk.create(path, (long) NativeDisk.DEPTH * CHAIN_BYTES);
    try (FileDisk disk = open(path)) {
      List<Chain> chains = new ArrayList<>();
      for (int i = 0; i < NativeDisk.DEPTH; i++) {
        // Every other one larger than what an engine may write by itself.
        chains.add(new Chain(disk, i, i % 2 == 0 ? 4096 : CHAIN_BYTES));
        chains.getLast().write();
      }
      for (Chain chain : chains) {
        assertEquals(CHAIN_ROUNDS, chain.end.get(60, TimeUnit.SECONDS));
      }
    }
  }

  @Test
  void readDataIsLentToItsCompletionOnly() throws Exception {
    CompletableFuture<ReadData> found = new CompletableFuture<>();
    try (FileDisk disk = open(image())) {
      disk.submit(
          new BlockRequest.Read(1, 0, 512),
          result -> found.complete(assertInstanceOf(BlockResult.Done.class, result).data()));
    }
    // The disk has closed, so the completion has returned.
    ReadData data = found.get(20, TimeUnit.SECONDS);
    assertEquals(512, data.size());
    assertThrows(IllegalStateException.class, data::bytes);
  }

  @Test
  void wrongRequestsAreRefusedAtOnce() throws Exception {
    try (FileDisk disk = open(image())) {
      for (BlockRequest wrong :
          new BlockRequest[] {
            new BlockRequest.Read(1, 1, 512),
            new BlockRequest.Read(1, 0, 100),
            new BlockRequest.Read(1, SIZE_BYTES, 512),
            new BlockRequest.Discard(1, 512, SIZE_BYTES)
          }) {
        assertThrows(IllegalArgumentException.class, () -> disk.submit(wrong, result -> {}));
      }
    }
  }

  @Test
  void fileThatShrinksUnderTheDiskFailsItsReads() throws Exception {
    Path path = image();
    try (FileDisk disk = open(path)) {
      try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
        file.truncate(4096);
      }
      BlockResult failed = result(disk, new BlockRequest.Read(1, 8192, 512));
      assertInstanceOf(BlockResult.Failed.class, failed);
      assertTrue(failed.toString().contains("shorter"), failed.toString());
    }
  }

  @Test
  void filesThatAreNoDisksAreRefusedByName() throws Exception {
    Path odd = Files.write(directory.resolve("odd.img"), new byte[1000]);
    for (Path wrong : new Path[] {odd, directory, directory.resolve("missing.img")}) {
      IOException refused = assertThrows(IOException.class, () -> FileDisk.open(wrong, cache));
      assertTrue(
          String.valueOf(refused.getMessage()).contains(wrong.toString()), refused.toString());
    }
  }

  @Test
  void closedDiskTakesNothing() throws Exception {
    FileDisk disk = open(image());
    disk.close();
    assertThrows(
        IllegalStateException.class, () -> disk.submit(new BlockRequest.Flush(1), result -> {}));
  }

  @Test
  void discardMakesAHole() throws Exception {
    Path path = image();
    try (FileDisk disk = open(path)) {
      assumeTrue(disk.geometry().canDiscard(), "no holes on the file system of " + path);
      byte[] data = new byte[SIZE_BYTES];
      Arrays.fill(data, (byte) 3);
      result(disk, new BlockRequest.Write(1, 0, Bytes.copyOf(data), true));
      long full = allocatedBytes(path);
      assertInstanceOf(
          BlockResult.Done.class, result(disk, new BlockRequest.Discard(2, 0, SIZE_BYTES / 2)));
      assertEquals(
          new BlockResult.Done(3, Bytes.copyOf(new byte[512])),
          result(disk, new BlockRequest.Read(3, 4096, 512)));
      assertEquals(
          new BlockResult.Done(4, Bytes.copyOf(data, 0, 512)),
          result(disk, new BlockRequest.Read(4, SIZE_BYTES / 2, 512)));
      assertEquals(SIZE_BYTES, Files.size(path));
      assertTrue(allocatedBytes(path) <= full - SIZE_BYTES / 2, full + " before");
    }
  }

  /** As stat(1) counts; Java does not say it. */
  private static long allocatedBytes(Path path) throws Exception {
    Process stat = new ProcessBuilder("stat", "--format=%b", path.toString()).start();
    return Long.parseLong(new String(stat.getInputStream().readAllBytes(), US_ASCII).strip()) * 512;
  }

  @Test
  void fullFileSystemFailsWritesAndLosesNothing() throws Exception {
    try (SmallFileSystem small = SmallFileSystem.ofBytes(1 << 20)) {
      Path path = small.directory().resolve("disk.img");
      FileDisk.create(path, 4L << 20);
      try (FileDisk disk = open(path)) {
        byte[] chunk = new byte[64 << 10];
        int written = 0;
        BlockResult last = write(disk, written, chunk);
        while (last instanceof BlockResult.Done) {
          written++;
          last = write(disk, written, chunk);
        }
        assertTrue(assertInstanceOf(BlockResult.Failed.class, last).reason().contains("ENOSPC"));
        assertTrue(written > 8, written + " chunks");
        assertInstanceOf(BlockResult.Done.class, result(disk, new BlockRequest.Flush(1)));
        for (int i = 0; i < written; i++) {
          Arrays.fill(chunk, (byte) (i + 1));
          assertEquals(
              new BlockResult.Done(i, Bytes.copyOf(chunk)),
              result(disk, new BlockRequest.Read(i, (long) i * chunk.length, chunk.length)));
        }
        // Room that is given back can be used again.
        result(disk, new BlockRequest.Discard(1, 0, 2L * chunk.length));
        assertInstanceOf(BlockResult.Done.class, write(disk, written, chunk));
      }
    }
  }

  private static BlockResult write(FileDisk disk, int number, byte[] chunk) throws Exception {
    Arrays.fill(chunk, (byte) (number + 1));
    return result(
        disk,
        new BlockRequest.Write(number, (long) number * chunk.length, Bytes.copyOf(chunk), false));
  }

  @Test
  void fileThatNobodyMayWriteIsAReadOnlyDisk() throws Exception {
    Path path = image();
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("r--r--r--"));
    try (FileDisk disk = open(path)) {
      assertEquals(new Geometry(SIZE_BYTES, 512, true, false), disk.geometry());
      assertInstanceOf(BlockResult.Done.class, result(disk, new BlockRequest.Read(1, 0, 512)));
      assertInstanceOf(BlockResult.Done.class, result(disk, new BlockRequest.Flush(2)));
      for (BlockRequest wrong :
          new BlockRequest[] {
            new BlockRequest.Write(3, 0, Bytes.copyOf(new byte[512]), false),
            new BlockRequest.Discard(4, 0, 512)
          }) {
        assertThrows(IllegalArgumentException.class, () -> disk.submit(wrong, result -> {}));
      }
    }
  }

  @Test
  void freshImageTakesNoRoom() throws Exception {
    Path path = image();
    assertEquals(SIZE_BYTES, Files.size(path));
    byte[] content = Files.readAllBytes(path);
    assertTrue(Arrays.equals(content, new byte[SIZE_BYTES]));
  }

  @Test
  void whatThePermitHoldsReachesNothing() throws Exception {
    Path path = image();
    AtomicReference<WritePermit.Answer> answer = new AtomicReference<>(WritePermit.Answer.START);
    byte[] first = new byte[4096];
    Arrays.fill(first, (byte) 1);
    byte[] second = new byte[4096];
    Arrays.fill(second, (byte) 2);
    try (FileDisk disk = open(path)) {
      disk.permit(() -> Objects.requireNonNull(answer.get()));
      assertInstanceOf(
          BlockResult.Done.class,
          result(disk, new BlockRequest.Write(1, 0, Bytes.copyOf(first), false)));
      for (WritePermit.Answer not : new WritePermit.Answer[] {HOLD, DROP}) {
        answer.set(not);
        assertEquals(
            new BlockResult.NotStarted(2),
            result(disk, new BlockRequest.Write(2, 0, Bytes.copyOf(second), false)));
        assertEquals(
            new BlockResult.NotStarted(3),
            result(disk, new BlockRequest.Write(3, 0, Bytes.copyOf(second), true)));
        assertEquals(
            new BlockResult.NotStarted(4), result(disk, new BlockRequest.Flush(4)), "a flush");
        if (disk.geometry().canDiscard()) {
          assertEquals(
              new BlockResult.NotStarted(5),
              result(disk, new BlockRequest.Discard(5, 0, 4096)),
              "a discard");
        }
        assertEquals(
            new BlockResult.Done(6, Bytes.copyOf(first)),
            result(disk, new BlockRequest.Read(6, 0, 4096)),
            "reads change nothing");
      }
    }
    assertArrayEquals(first, Arrays.copyOf(Files.readAllBytes(path), 4096));
  }
}
