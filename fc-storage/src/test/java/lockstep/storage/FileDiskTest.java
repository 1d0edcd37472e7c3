package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A disk that is a file. */
class FileDiskTest {
  private static final int SIZE_BYTES = 1 << 20;

  @TempDir private Path directory = Path.of("");

  private Path image() throws IOException {
    Path path = directory.resolve("disk.img");
    FileDisk.create(path, SIZE_BYTES);
    return path;
  }

  private static BlockResult result(FileDisk disk, BlockRequest request) throws Exception {
    CompletableFuture<BlockResult> done = new CompletableFuture<>();
    disk.submit(request, done::complete);
    return done.get(20, TimeUnit.SECONDS);
  }

  @Test
  void whatIsWrittenIsReadAndInTheFile() throws Exception {
    Path path = image();
    byte[] expected = new byte[SIZE_BYTES];
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (FileDisk disk = FileDisk.open(path)) {
      for (int i = 0; i < 200; i++) {
        int length = 512 * (1 + random.nextInt(16));
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
    }
    assertArrayEquals(expected, Files.readAllBytes(path), "seed " + seed);
  }

  @Test
  void wrongRequestsAreRefusedAtOnce() throws Exception {
    try (FileDisk disk = FileDisk.open(image())) {
      for (BlockRequest wrong :
          new BlockRequest[] {
            new BlockRequest.Read(1, 1, 512),
            new BlockRequest.Read(1, 0, 100),
            new BlockRequest.Read(1, SIZE_BYTES, 512),
            new BlockRequest.Discard(1, 0, 512)
          }) {
        assertThrows(IllegalArgumentException.class, () -> disk.submit(wrong, result -> {}));
      }
    }
  }

  @Test
  void fileThatShrinksUnderTheDiskFailsItsReads() throws Exception {
    Path path = image();
    try (FileDisk disk = FileDisk.open(path)) {
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
      IOException refused = assertThrows(IOException.class, () -> FileDisk.open(wrong));
      assertTrue(
          String.valueOf(refused.getMessage()).contains(wrong.toString()), refused.toString());
    }
  }

  @Test
  void closedDiskTakesNothing() throws Exception {
    FileDisk disk = FileDisk.open(image());
    disk.close();
    assertThrows(
        IllegalStateException.class, () -> disk.submit(new BlockRequest.Flush(1), result -> {}));
  }

  @Test
  void freshImageTakesNoRoom() throws Exception {
    Path path = image();
    assertEquals(SIZE_BYTES, Files.size(path));
    byte[] content = Files.readAllBytes(path);
    assertTrue(Arrays.equals(content, new byte[SIZE_BYTES]));
  }
}
