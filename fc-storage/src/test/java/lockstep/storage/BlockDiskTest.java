package lockstep.storage;

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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.state.Bytes;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.ffi.disk.RingEngine;
import lockstep.testing.LoopDevice;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Block devices, real ones: loop devices of this kernel; with each engine. */
@ParameterizedClass
@EnumSource(DiskEngine.Kind.class)
class BlockDiskTest {
  @Parameter private DiskEngine.Kind kind = DiskEngine.Kind.THREADS;

  @BeforeEach
  void engineIsThere() {
    Optional<String> refusal =
        kind == DiskEngine.Kind.IO_URING ? RingEngine.refusal() : Optional.empty();
    assumeTrue(refusal.isEmpty(), () -> "no io_uring here: " + refusal.orElse(""));
  }

  private BlockDisk open(LoopDevice loop) throws IOException {
    return BlockDisk.open(
        loop.path(), BlockDisk.Use.ALONE, medium -> DiskEngine.of(kind, medium, NativeDisk.DEPTH));
  }

  private static final int SIZE_BYTES = 4 << 20;

  @TempDir private Path directory = Path.of("");

  private Path image() throws IOException {
    Path path = directory.resolve("disk.img");
    FileDisk.create(path, SIZE_BYTES);
    return path;
  }

  private static CompletableFuture<BlockResult> start(BlockDisk disk, BlockRequest request) {
    CompletableFuture<BlockResult> done = new CompletableFuture<>();
    disk.submit(request, r -> done.complete(r.kept()));
    return done;
  }

  private static BlockResult result(BlockDisk disk, BlockRequest request) throws Exception {
    return start(disk, request).get(20, TimeUnit.SECONDS);
  }

  @Test
  void whatIsWrittenIsReadAndInTheFileBehindTheDevice() throws Exception {
    Path image = image();
    byte[] expected = new byte[SIZE_BYTES];
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (LoopDevice loop = LoopDevice.over(image);
        BlockDisk disk = open(loop)) {
      assertEquals(SIZE_BYTES, disk.geometry().capacityBytes());
      assertEquals(512, disk.geometry().blockBytes());
      for (int i = 0; i < 200; i++) {
        int length = 512 * (1 + random.nextInt(random.nextInt(8) == 0 ? 2048 : 16));
        int offset = 512 * random.nextInt((SIZE_BYTES - length) / 512);
        byte[] data = new byte[length];
        random.nextBytes(data);
        System.arraycopy(data, 0, expected, offset, length);
        assertInstanceOf(
            BlockResult.Done.class,
            result(
                disk, new BlockRequest.Write(i, offset, Bytes.copyOf(data), random.nextBoolean())));
        assertEquals(
            new BlockResult.Done(i, Bytes.copyOf(data)),
            result(disk, new BlockRequest.Read(i, offset, length)),
            "seed " + seed);
      }
      assertInstanceOf(BlockResult.Done.class, result(disk, new BlockRequest.Flush(1)));
      assertArrayEquals(expected, Files.readAllBytes(image), "seed " + seed);
    }
  }

  @Test
  void asManyRequestsAsItTakesAtOnceAllEnd() throws Exception {
    try (LoopDevice loop = LoopDevice.over(image());
        BlockDisk disk = open(loop)) {
      for (int round = 0; round < 20; round++) {
        List<CompletableFuture<BlockResult>> writes = new ArrayList<>();
        for (int i = 0; i < disk.depth(); i++) {
          byte[] data = new byte[4096];
          Arrays.fill(data, (byte) (i + round));
          writes.add(start(disk, new BlockRequest.Write(i, i * 4096L, Bytes.copyOf(data), false)));
        }
        for (CompletableFuture<BlockResult> write : writes) {
          assertInstanceOf(BlockResult.Done.class, write.get(20, TimeUnit.SECONDS));
        }
        for (int i = 0; i < disk.depth(); i++) {
          BlockResult read = result(disk, new BlockRequest.Read(i, i * 4096L, 4096));
          assertEquals(
              (i + round) & 0xff,
              assertInstanceOf(BlockResult.Done.class, read).data().bytes().at(4095));
        }
      }
    }
  }

  @Test
  void noRequestOfManySubmittersIsLost() throws Exception {
    int submitters = 4;
    int rounds = 1_500;
    try (LoopDevice loop = LoopDevice.over(image());
        BlockDisk disk = open(loop)) {
      List<Thread> threads = new ArrayList<>();
      List<Throwable> problems = Collections.synchronizedList(new ArrayList<>());
      for (int i = 0; i < submitters; i++) {
        int mine = i;
        threads.add(Thread.ofPlatform().start(() -> hammer(disk, mine, rounds, problems)));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertEquals(List.of(), problems);
    }
  }

  /** One at a time, so that the engine falls asleep between requests all the time. */
  private static void hammer(BlockDisk disk, int mine, int rounds, List<Throwable> problems) {
    byte[] block = new byte[4096];
    try {
      for (int round = 0; round < rounds && problems.isEmpty(); round++) {
        Arrays.fill(block, (byte) (round * 7 + mine));
        Bytes data = Bytes.copyOf(block);
        long at = (mine + 4L * (round % 8)) * block.length;
        assertEquals(
            new BlockResult.Done(mine, Bytes.empty()),
            result(disk, new BlockRequest.Write(mine, at, data, false)));
        assertEquals(
            new BlockResult.Done(mine, data),
            result(disk, new BlockRequest.Read(mine, at, block.length)));
      }
    } catch (Exception | AssertionError e) {
      problems.add(e);
    }
  }

  @Test
  void disksThatComeAndGoLeaveNoThreadAndNoDescriptor() throws Exception {
    try (LoopDevice loop = LoopDevice.over(image())) {
      open(loop).close();
      long descriptors = count(Path.of("/proc/self/fd"));
      long threads = count(Path.of("/proc/self/task"));
      for (int i = 0; i < 30; i++) {
        try (BlockDisk disk = open(loop)) {
          if (i % 2 == 0) {
            result(disk, new BlockRequest.Read(1, 0, 512));
          }
        }
      }
      // Others in this process may start a thread or open a file meanwhile, but not thirty.
      assertTrue(count(Path.of("/proc/self/fd")) < descriptors + 10, "descriptors were left open");
      assertTrue(count(Path.of("/proc/self/task")) < threads + 10, "threads were left running");
    }
  }

  private static long count(Path directory) throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.count();
    }
  }

  @Test
  void closingWaitsForRequestsInFlight() throws Exception {
    Path image = image();
    try (LoopDevice loop = LoopDevice.over(image)) {
      BlockDisk disk = open(loop);
      byte[] data = new byte[BlockRequest.MAX_TRANSFER_BYTES];
      Arrays.fill(data, (byte) 0x5a);
      CompletableFuture<BlockResult> write =
          start(disk, new BlockRequest.Write(1, 0, Bytes.copyOf(data), false));
      disk.close();
      assertInstanceOf(BlockResult.Done.class, write.get(20, TimeUnit.SECONDS));
      assertEquals(0x5a, Files.readAllBytes(image)[data.length - 1]);
      assertThrows(IllegalStateException.class, () -> start(disk, new BlockRequest.Flush(2)));
    }
  }

  @Test
  void discardGivesRoomBackAndReadsAsZeros() throws Exception {
    Path image = image();
    try (LoopDevice loop = LoopDevice.over(image);
        BlockDisk disk = open(loop)) {
      assertTrue(disk.geometry().canDiscard(), "a loop device over a file makes holes");
      byte[] data = new byte[1 << 20];
      Arrays.fill(data, (byte) 7);
      result(disk, new BlockRequest.Write(1, 0, Bytes.copyOf(data), true));
      assertInstanceOf(
          BlockResult.Done.class, result(disk, new BlockRequest.Discard(2, 4096, 8192)));
      // Of a loop device over a file this is so; in general what it reads as is the medium's
      // choice.
      assertEquals(
          new BlockResult.Done(3, Bytes.copyOf(new byte[8192])),
          result(disk, new BlockRequest.Read(3, 4096, 8192)));
      assertEquals(
          new BlockResult.Done(4, Bytes.copyOf(data, 0, 512)),
          result(disk, new BlockRequest.Read(4, 4096 + 8192, 512)));
    }
  }

  @Test
  void deviceThatRefusesWritesIsAReadOnlyDisk() throws Exception {
    try (LoopDevice loop = LoopDevice.over(image(), "--read-only");
        BlockDisk disk = open(loop)) {
      assertEquals(new Geometry(SIZE_BYTES, 512, true, false), disk.geometry());
      assertInstanceOf(BlockResult.Done.class, result(disk, new BlockRequest.Read(1, 0, 512)));
      assertThrows(
          IllegalArgumentException.class,
          () -> start(disk, new BlockRequest.Write(2, 0, Bytes.copyOf(new byte[512]), false)));
    }
  }

  @Test
  void blocksOf4096BytesAreKeptTo() throws Exception {
    try (LoopDevice loop = LoopDevice.over(image(), "--sector-size", "4096");
        BlockDisk disk = open(loop)) {
      assertEquals(4096, disk.geometry().blockBytes());
      assertEquals(4096, disk.physicalBlockBytes());
      assertThrows(
          IllegalArgumentException.class, () -> start(disk, new BlockRequest.Read(1, 512, 512)));
      assertInstanceOf(BlockResult.Done.class, result(disk, new BlockRequest.Read(1, 4096, 4096)));
    }
  }

  @Test
  void deviceInUseIsRefusedAndAPairSharesIt() throws Exception {
    try (LoopDevice loop = LoopDevice.over(image())) {
      BlockDisk first = open(loop);
      for (BlockDisk.Use use : BlockDisk.Use.values()) {
        assertRefused(loop.path(), use, "in use");
      }
      first.close();
      try (BlockDisk one = BlockDisk.open(loop.path(), BlockDisk.Use.PAIR);
          BlockDisk other = BlockDisk.open(loop.path(), BlockDisk.Use.PAIR)) {
        Bytes data = Bytes.copyOf(new byte[] {1, 2, 3, 4}, 0, 4);
        byte[] block = Arrays.copyOf(data.toArray(), 512);
        result(one, new BlockRequest.Write(1, 1024, Bytes.copyOf(block), false));
        // Past the page cache: one host sees at once what another one wrote.
        assertEquals(
            new BlockResult.Done(2, Bytes.copyOf(block)),
            result(other, new BlockRequest.Read(2, 1024, 512)));
      }
    }
  }

  @Test
  void deviceThatShrinksFailsItsReads() throws Exception {
    Path image = image();
    try (LoopDevice loop = LoopDevice.over(image);
        BlockDisk disk = open(loop)) {
      try (var file = FileChannel.open(image, StandardOpenOption.WRITE)) {
        file.truncate(4096);
      }
      Process process =
          new ProcessBuilder("losetup", "--set-capacity", loop.path().toString()).start();
      assertEquals(0, process.waitFor());
      assertInstanceOf(BlockResult.Failed.class, result(disk, new BlockRequest.Read(1, 8192, 512)));
    }
  }

  @Test
  void whatIsNoDeviceIsRefusedByName() throws Exception {
    Path image = image();
    assertRefused(image, BlockDisk.Use.ALONE, "is not a block device");
    assertRefused(directory, BlockDisk.Use.ALONE, "is not a block device");
    assertRefused(Path.of("/dev/null"), BlockDisk.Use.ALONE, "is not a block device");
    assertRefused(directory.resolve("missing"), BlockDisk.Use.ALONE, "no such device");
  }

  @Test
  void loopDeviceWithoutAFileIsRefused() throws Exception {
    Path image = image();
    Path gone;
    try (LoopDevice loop = LoopDevice.over(image)) {
      gone = loop.path();
    }
    IOException refused =
        assertThrows(IOException.class, () -> BlockDisk.open(gone, BlockDisk.Use.ALONE));
    assertTrue(
        String.valueOf(refused.getMessage()).startsWith("block device " + gone), refused + "");
  }

  private static void assertRefused(Path path, BlockDisk.Use use, String why) {
    IOException refused = assertThrows(IOException.class, () -> BlockDisk.open(path, use));
    String message = String.valueOf(refused.getMessage());
    assertTrue(message.contains(path.toString()) && message.contains(why), message);
    assertEquals(1, message.lines().count(), message);
  }
}
