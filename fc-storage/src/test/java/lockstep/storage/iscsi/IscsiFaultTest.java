package lockstep.storage.iscsi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.host.DiskBridge;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;
import lockstep.sys.HostScheduler;
import lockstep.testing.CuttingProxy;
import lockstep.testing.SmallFileSystem;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Targets and connections that fail while a disk is written: nothing acknowledged is lost. */
class IscsiFaultTest {
  private static final int IMAGE_BYTES = 4 << 20;
  private static final int BLOCK = 4096;
  private static final int LANES = 16;
  private static final int CUTS = 8;
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");
  private Tgtd tgtd;
  private final BlockingQueue<ExternalInput> done = new LinkedBlockingQueue<>();

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.img");
    try (FileChannel file =
        FileChannel.open(image, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      file.write(ByteBuffer.wrap(new byte[1]), IMAGE_BYTES - 1);
    }
    tgtd = Tgtd.start(image);
  }

  @AfterEach
  void stop() throws Exception {
    if (tgtd != null) {
      tgtd.close();
    }
  }

  /**
   * Writes rising numbers into one block after the other, each lane its own: at the end each block
   * must hold the last number that was acknowledged there. A write that is repeated too late would
   * leave an older one.
   */
  private static final class Lane {
    private static final int BLOCKS = 3;

    private final IscsiDisk disk;
    private final int lane;
    private final long[] acknowledged = new long[BLOCKS];
    private final CompletableFuture<String> end = new CompletableFuture<>();
    private volatile boolean stopping;
    private long next = 1;

    Lane(IscsiDisk disk, int lane) {
      this.disk = disk;
      this.lane = lane;
      write();
    }

    private void write() {
      int slot = (int) (next % BLOCKS);
      long number = next++;
      disk.submit(
          new BlockRequest.Write(number, at(slot), content(number), false),
          result -> {
            if (!(result instanceof BlockResult.Done)) {
              end.complete(result.toString());
              return;
            }
            acknowledged[slot] = number;
            if (stopping) {
              end.complete("");
            } else {
              write();
            }
          });
    }

    private long at(int slot) {
      return (long) (lane * BLOCKS + slot) * BLOCK;
    }

    private Bytes content(long number) {
      ByteBuffer block = ByteBuffer.allocate(BLOCK);
      while (block.hasRemaining()) {
        block.putInt(lane).putInt((int) number);
      }
      return Bytes.copyOf(block.array());
    }

    void stopAndCheck(Path image) throws Exception {
      stopping = true;
      assertEquals("", end.get(60, TimeUnit.SECONDS));
      byte[] medium = Files.readAllBytes(image);
      for (int slot = 0; slot < BLOCKS; slot++) {
        if (acknowledged[slot] > 0) {
          assertEquals(
              content(acknowledged[slot]),
              Bytes.copyOf(medium, (int) at(slot), BLOCK),
              "lane " + lane + " block " + slot);
        }
      }
    }
  }

  private interface Trouble {
    void make(IscsiSession session) throws Exception;
  }

  /** Until the session has found that its connection is gone, and has another one. */
  private static void awaitLogin(IscsiSession session, long before) throws InterruptedException {
    long start = System.nanoTime();
    while (session.logins() == before) {
      assertTrue(
          System.nanoTime() - start < TimeUnit.SECONDS.toNanos(LIMIT_SECONDS),
          () -> "no login after " + before);
      Thread.sleep(5);
    }
  }

  private void during(IscsiAddress address, IscsiTimes times, int atLeastLogins, Trouble trouble)
      throws Exception {
    try (IscsiSession session = IscsiSession.open(address, times);
        IscsiDisk disk = IscsiDisk.open(session)) {
      Lane[] lanes = new Lane[LANES];
      for (int i = 0; i < LANES; i++) {
        lanes[i] = new Lane(disk, i);
      }
      Thread.sleep(200);
      trouble.make(session);
      Thread.sleep(200);
      long writes = 0;
      for (Lane lane : lanes) {
        lane.stopAndCheck(image);
        writes += lane.next;
      }
      System.out.printf("IscsiFaultTest: %d writes, %d logins%n", writes, session.logins());
      assertTrue(session.logins() >= atLeastLogins, "logins: " + session.logins());
    }
  }

  @Test
  void writesOutlastRestartsOfTarget() throws Exception {
    during(
        IscsiAddress.parse(tgtd.address(1, "")),
        IscsiTimes.USUAL,
        3,
        session -> {
          for (int i = 0; i < 2; i++) {
            long before = session.logins();
            tgtd.kill();
            Thread.sleep(300);
            tgtd.restart();
            awaitLogin(session, before);
            Thread.sleep(500);
          }
        });
  }

  @Test
  void writesOutlastCutConnections() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(tgtd.port())) {
      during(
          IscsiAddress.parse(Tgtd.address(proxy.port(), 1, "")),
          IscsiTimes.USUAL,
          CUTS + 1,
          session -> {
            for (int i = 0; i < CUTS; i++) {
              long before = session.logins();
              proxy.cut(i % 2 == 0);
              Thread.sleep(50);
              proxy.cut(false);
              // On a busy host a login takes longer than any pause that one would choose.
              awaitLogin(session, before);
              Thread.sleep(50);
            }
          });
    }
  }

  @Test
  void slowTargetIsWaitedForAndSilentOneIsLeft() throws Exception {
    Trouble stop =
        _ -> {
          tgtd.signal("STOP");
          Thread.sleep(2_000);
          tgtd.signal("CONT");
          Thread.sleep(500);
        };
    during(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL, 1, stop);
    during(IscsiAddress.parse(tgtd.address(1, "")), new IscsiTimes(400, 400, 30_000, 200), 2, stop);
  }

  private static final class Permit implements WritePermit {
    private volatile Answer answer = Answer.START;

    @Override
    public Answer now() {
      return answer;
    }
  }

  private static List<CompletableFuture<BlockResult>> writes(IscsiDisk disk, int count, int bytes) {
    byte[] ones = new byte[bytes];
    Arrays.fill(ones, (byte) 1);
    List<CompletableFuture<BlockResult>> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      CompletableFuture<BlockResult> one = new CompletableFuture<>();
      disk.submit(
          new BlockRequest.Write(i, (long) i * bytes, Bytes.copyOf(ones), false),
          result -> one.complete(result.kept()));
      all.add(one);
    }
    return all;
  }

  private void assertNothingWritten(List<CompletableFuture<BlockResult>> writes) throws Exception {
    for (CompletableFuture<BlockResult> one : writes) {
      assertInstanceOf(
          BlockResult.NotStarted.class, one.get(LIMIT_SECONDS, TimeUnit.SECONDS), "of a loser");
    }
    // What was sent before that would come now.
    Thread.sleep(500);
    assertArrayEquals(new byte[IMAGE_BYTES], Files.readAllBytes(image), "the medium");
  }

  /** They wait for a connection when their side loses. */
  @Test
  void loserSendsNothingThatWaitedForAConnection() throws Exception {
    Permit permit = new Permit();
    try (CuttingProxy proxy = new CuttingProxy(tgtd.port());
        IscsiSession session =
            IscsiSession.open(
                IscsiAddress.parse(Tgtd.address(proxy.port(), 1, "")), IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      disk.permit(permit);
      proxy.cut(true);
      List<CompletableFuture<BlockResult>> writes = writes(disk, IscsiDisk.DEPTH, BLOCK);
      Thread.sleep(300);
      permit.answer = WritePermit.Answer.DROP;
      proxy.cut(false);
      assertNothingWritten(writes);
    }
  }

  /** The target wants their data only later: libiscsi has it, and would send it by itself. */
  @Test
  void loserSendsNoDataThatTheTargetAsksForLate() throws Exception {
    Permit permit = new Permit();
    try (IscsiSession session =
            IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session)) {
      disk.permit(permit);
      tgtd.signal("STOP");
      List<CompletableFuture<BlockResult>> writes =
          writes(
              disk, IMAGE_BYTES / BlockRequest.MAX_TRANSFER_BYTES, BlockRequest.MAX_TRANSFER_BYTES);
      Thread.sleep(300);
      permit.answer = WritePermit.Answer.DROP;
      tgtd.signal("CONT");
      assertNothingWritten(writes);
      // The connection was cut with what it had; the next one works.
      assertInstanceOf(
          BlockResult.Done.class, IscsiDiskTest.carryOut(disk, new BlockRequest.Read(1, 0, BLOCK)));
      assertEquals(2, session.logins());
    }
  }

  /** A request that is held comes to the disk when it may; none of them fails or is lost. */
  @Test
  void heldWritesArriveWhenTheyMay() throws Exception {
    Permit permit = new Permit();
    try (IscsiSession session =
            IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
        IscsiDisk disk = IscsiDisk.open(session);
        DiskBridge bridge = new DiskBridge(0, disk, done::add, permit)) {
      tgtd.signal("STOP");
      byte[] ones = new byte[BlockRequest.MAX_TRANSFER_BYTES];
      Arrays.fill(ones, (byte) 1);
      for (int i = 0; i < IMAGE_BYTES / ones.length; i++) {
        bridge.request(
            new BlockRequest.Write(i, (long) i * ones.length, Bytes.copyOf(ones), false));
      }
      Thread.sleep(300);
      permit.answer = WritePermit.Answer.HOLD;
      tgtd.signal("CONT");
      Thread.sleep(500);
      permit.answer = WritePermit.Answer.START;
      bridge.permitChanged();
      for (int i = 0; i < IMAGE_BYTES / ones.length; i++) {
        ExternalInput input = done.poll(LIMIT_SECONDS, TimeUnit.SECONDS);
        assertTrue(
            input instanceof ExternalInput.DiskCompletion completion
                && completion.status() == ExternalInput.DiskStatus.DONE,
            String.valueOf(input));
      }
      byte[] all = new byte[IMAGE_BYTES];
      Arrays.fill(all, (byte) 1);
      assertArrayEquals(all, Files.readAllBytes(image));
    }
  }

  /** Before a guest that lives on elsewhere is told that its disk has failed. */
  @Test
  void errorOfTheSessionEndsTheProcessBeforeRequestsFail() throws Exception {
    BlockingQueue<String> order = new LinkedBlockingQueue<>();
    HostScheduler host =
        new HostScheduler() {
          @Override
          public void failStop(String thread, Throwable cause) {
            order.add(thread + ": " + cause.getMessage());
          }
        };
    try (IscsiSession session =
        IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL, host)) {
      IscsiDisk disk = IscsiDisk.open(session);
      tgtd.signal("STOP");
      disk.submit(
          new BlockRequest.Read(1, 0, BLOCK),
          _ -> {
            throw new StackOverflowError("planted");
          });
      disk.submit(new BlockRequest.Read(2, 0, BLOCK), _ -> order.add("answered"));
      tgtd.signal("CONT");
      assertEquals("iscsi-127.0.0.1: planted", order.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
      assertEquals("answered", order.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
    }
  }

  @Test
  void requestFailsInTimeWhenTargetIsGone() throws Exception {
    try (IscsiSession session =
        IscsiSession.open(
            IscsiAddress.parse(tgtd.address(1, "")), new IscsiTimes(500, 500, 1_000, 100))) {
      IscsiDisk disk = IscsiDisk.open(session);
      tgtd.kill();
      long started = System.nanoTime();
      BlockResult result = IscsiDiskTest.carryOut(disk, new BlockRequest.Read(1, 0, BLOCK));
      assertInstanceOf(BlockResult.Failed.class, result);
      System.out.println("IscsiFaultTest: " + result);
      assertTrue(System.nanoTime() - started < TimeUnit.SECONDS.toNanos(10), "late");
    }
  }

  @Test
  void fullFileSystemBehindTargetFailsWritesAndKeepsWhatWasAcknowledged() throws Exception {
    try (SmallFileSystem small = SmallFileSystem.ofBytes(256 << 10)) {
      // The target is another process, which finds it among the descriptors of this one.
      String fd = small.directory().getFileName().toString();
      Path full = Path.of("/proc", String.valueOf(ProcessHandle.current().pid()), "fd", fd, "full");
      try (FileChannel file =
          FileChannel.open(full, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        file.write(ByteBuffer.wrap(new byte[1]), IMAGE_BYTES - 1);
      }
      tgtd.unit(2, full);
      try (IscsiSession session =
              IscsiSession.open(IscsiAddress.parse(tgtd.address(2, "")), IscsiTimes.USUAL);
          IscsiDisk disk = IscsiDisk.open(session)) {
        int acknowledged = 0;
        BlockResult last = write(disk, acknowledged);
        while (last instanceof BlockResult.Done && acknowledged < 200) {
          last = write(disk, ++acknowledged);
        }
        System.out.printf("IscsiFaultTest: %d writes, then %s%n", acknowledged, last);
        assertInstanceOf(BlockResult.Failed.class, last);
        assertTrue(acknowledged > 10, "writes: " + acknowledged);
        assertInstanceOf(BlockResult.Done.class, write(disk, 0), "one that needs no room");
        byte[] medium = Files.readAllBytes(full);
        for (int i = 0; i < acknowledged; i++) {
          assertEquals(numbered(i), Bytes.copyOf(medium, i * BLOCK, BLOCK), "block " + i);
        }
        assertEquals(1, session.logins(), "logins");
      }
    }
  }

  private static BlockResult write(IscsiDisk disk, int number) throws Exception {
    return IscsiDiskTest.carryOut(
        disk, new BlockRequest.Write(number, (long) number * BLOCK, numbered(number), true));
  }

  private static Bytes numbered(int number) {
    ByteBuffer block = ByteBuffer.allocate(BLOCK);
    while (block.hasRemaining()) {
      block.putInt(number);
    }
    return Bytes.copyOf(block.array());
  }

  @Test
  void secretThatIsRefusedAtReconnectFailsRequestsUntilItIsRightAgain() throws Exception {
    String[] account = {"--op", "new", "--mode", "account", "--user", "us", "--password"};
    tgtd.admin(concat(account, "secretsecret"));
    tgtd.admin("--op", "bind", "--mode", "account", "--tid", "1", "--user", "us");
    Path secret = Files.createTempFile(directory, "chap", "");
    Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-------"));
    Files.writeString(secret, "us:secretsecret");
    try (CuttingProxy proxy = new CuttingProxy(tgtd.port());
        IscsiSession session =
            IscsiSession.open(
                IscsiAddress.parse(Tgtd.address(proxy.port(), 1, "?chap=" + secret)),
                new IscsiTimes(2_000, 2_000, 2_000, 100))) {
      IscsiDisk disk = IscsiDisk.open(session);
      assertInstanceOf(BlockResult.Done.class, write(disk, 1));
      tgtd.admin("--op", "delete", "--mode", "account", "--user", "us");
      tgtd.admin(concat(account, "othersecret1"));
      tgtd.admin("--op", "bind", "--mode", "account", "--tid", "1", "--user", "us");
      proxy.cut(false);
      BlockResult refused = write(disk, 2);
      assertInstanceOf(BlockResult.Failed.class, refused);
      assertTrue(refused.toString().contains("refuses user or secret"), refused.toString());
      tgtd.admin("--op", "delete", "--mode", "account", "--user", "us");
      tgtd.admin(concat(account, "secretsecret"));
      tgtd.admin("--op", "bind", "--mode", "account", "--tid", "1", "--user", "us");
      assertInstanceOf(BlockResult.Done.class, write(disk, 2));
      disk.close();
    }
    byte[] medium = Files.readAllBytes(image);
    assertEquals(numbered(1), Bytes.copyOf(medium, BLOCK, BLOCK));
    assertEquals(numbered(2), Bytes.copyOf(medium, 2 * BLOCK, BLOCK));
  }

  private static String[] concat(String[] words, String last) {
    String[] all = java.util.Arrays.copyOf(words, words.length + 1);
    all[words.length] = last;
    return all;
  }
}
