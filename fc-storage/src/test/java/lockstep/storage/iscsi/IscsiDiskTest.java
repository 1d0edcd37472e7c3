package lockstep.storage.iscsi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The way of data to a disk behind iSCSI and back. */
class IscsiDiskTest {
  private static final int IMAGE_BYTES = 16 << 20;
  private static final int BLOCK = 512;

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");
  private Tgtd tgtd;

  @BeforeEach
  void start() throws Exception {
    image = zeros("disk.img", IMAGE_BYTES);
    tgtd = Tgtd.start(image);
  }

  @AfterEach
  void stop() throws Exception {
    if (tgtd != null) {
      tgtd.close();
    }
  }

  private Path zeros(String name, long bytes) throws IOException {
    Path path = directory.resolve(name);
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      file.write(ByteBuffer.wrap(new byte[1]), bytes - 1);
    }
    return path;
  }

  static BlockResult carryOut(IscsiDisk disk, BlockRequest request) throws Exception {
    CompletableFuture<BlockResult> result = new CompletableFuture<>();
    disk.submit(request, r -> result.complete(r.kept()));
    return result.get(60, TimeUnit.SECONDS);
  }

  private static Bytes pattern(long seed, int bytes) {
    byte[] data = new byte[bytes];
    RandomGeneratorFactory.of("L64X128MixRandom").create(seed).nextBytes(data);
    return Bytes.copyOf(data);
  }

  @Test
  void whatIsWrittenIsOnTheMediumAndReadBack() throws Exception {
    long seed = System.nanoTime();
    System.out.println("IscsiDiskTest: seed " + seed);
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    byte[] expected = new byte[IMAGE_BYTES];
    try (IscsiSession session =
            IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      assertEquals(IMAGE_BYTES, disk.geometry().capacityBytes());
      assertEquals(BLOCK, disk.geometry().blockBytes());
      assertFalse(disk.geometry().readOnly());
      System.out.println("IscsiDiskTest: " + disk.facts());
      int[] sizes = {BLOCK, 4096, 64 << 10, BlockRequest.MAX_TRANSFER_BYTES};
      for (int i = 0; i < 100; i++) {
        int size = sizes[random.nextInt(sizes.length)];
        int at = random.nextInt((IMAGE_BYTES - size) / BLOCK + 1) * BLOCK;
        Bytes data = pattern(seed + i, size);
        data.asBuffer().get(expected, at, size);
        BlockResult written =
            carryOut(disk, new BlockRequest.Write(i, at, data, random.nextBoolean()));
        assertEquals(new BlockResult.Done(i, Bytes.empty()), written);
        assertEquals(
            new BlockResult.Done(i, data), carryOut(disk, new BlockRequest.Read(i, at, size)));
      }
      assertEquals(
          new BlockResult.Done(7, Bytes.empty()), carryOut(disk, new BlockRequest.Flush(7)));
    }
    assertArrayEquals(expected, Files.readAllBytes(image));
  }

  @Test
  void manyRequestsInFlightEachGetTheirOwnData() throws Exception {
    try (IscsiSession session =
            IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      for (int round = 0; round < 20; round++) {
        List<CompletableFuture<BlockResult>> results = new ArrayList<>();
        for (int i = 0; i < disk.depth(); i++) {
          CompletableFuture<BlockResult> result = new CompletableFuture<>();
          results.add(result);
          disk.submit(
              new BlockRequest.Write(i, i * 8192L, pattern(round * 100L + i, 8192), false),
              r -> result.complete(r.kept()));
        }
        for (CompletableFuture<BlockResult> result : results) {
          assertInstanceOf(BlockResult.Done.class, result.get(30, TimeUnit.SECONDS));
        }
        results.clear();
        for (int i = 0; i < disk.depth(); i++) {
          CompletableFuture<BlockResult> result = new CompletableFuture<>();
          results.add(result);
          disk.submit(new BlockRequest.Read(i, i * 8192L, 8192), r -> result.complete(r.kept()));
        }
        for (int i = 0; i < disk.depth(); i++) {
          assertEquals(
              new BlockResult.Done(i, pattern(round * 100L + i, 8192)),
              results.get(i).get(30, TimeUnit.SECONDS));
        }
      }
    }
  }

  @Test
  void readOnlyUnitIsReadOnlyDisk() throws Exception {
    tgtd.parameters(1, "readonly=1");
    try (IscsiSession session =
            IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      assertTrue(disk.geometry().readOnly());
      assertInstanceOf(BlockResult.Done.class, carryOut(disk, new BlockRequest.Read(1, 0, BLOCK)));
      assertThrows(
          IllegalArgumentException.class,
          () -> carryOut(disk, new BlockRequest.Write(1, 0, pattern(1, BLOCK), false)));
    }
  }

  @Test
  void discardedBlocksAreGivenBack() throws Exception {
    tgtd.parameters(1, "thin_provisioning=1");
    try (IscsiSession session =
            IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      assertTrue(disk.geometry().canDiscard());
      carryOut(disk, new BlockRequest.Write(1, 0, pattern(1, 1 << 20), true));
      assertEquals(
          new BlockResult.Done(2, Bytes.empty()),
          carryOut(disk, new BlockRequest.Discard(2, 0, 1 << 20)));
      assertEquals(
          new BlockResult.Done(3, Bytes.copyOf(new byte[4096])),
          carryOut(disk, new BlockRequest.Read(3, 0, 4096)));
    }
  }

  @Test
  void wrongTargetLunPortAndSecretAreNamed() throws Exception {
    assertMessage("no such LUN", IscsiAddress.parse(tgtd.address(9, "")));
    assertMessage(
        "no such target there",
        IscsiAddress.parse(
            "//127.0.0.1:%d/iqn.2026-11.dev.lockstep.test:other/1".formatted(tgtd.port())));
    tgtd.admin("--op", "new", "--mode", "account", "--user", "us", "--password", "secretsecret");
    tgtd.admin("--op", "bind", "--mode", "account", "--tid", "1", "--user", "us");
    assertMessage("wants a secret", IscsiAddress.parse(tgtd.address(1, "")));
    assertMessage(
        "refuses user or secret",
        IscsiAddress.parse(tgtd.address(1, "?chap=" + secret("us:wrongwrongwrong"))));
    try (IscsiSession session =
            IscsiSession.open(
                IscsiAddress.parse(tgtd.address(1, "?chap=" + secret("us:secretsecret"))),
                IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      assertInstanceOf(BlockResult.Done.class, carryOut(disk, new BlockRequest.Read(1, 0, BLOCK)));
    }
    IscsiAddress gone = IscsiAddress.parse(tgtd.address(1, ""));
    tgtd.kill();
    assertMessage("refused", gone);
  }

  private Path secret(String line) throws IOException {
    Path file = Files.createTempFile(directory, "chap", "");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    return Files.writeString(file, line + "\n");
  }

  private static void assertMessage(String part, IscsiAddress address) {
    IOException e =
        assertThrows(
            IOException.class,
            () -> {
              try (IscsiSession session = IscsiSession.open(address, IscsiTimes.USUAL)) {
                IscsiDisk.open(session).close();
              }
            });
    System.out.println("IscsiDiskTest: " + e.getMessage());
    assertTrue(String.valueOf(e.getMessage()).contains(part), e.toString());
  }
}
