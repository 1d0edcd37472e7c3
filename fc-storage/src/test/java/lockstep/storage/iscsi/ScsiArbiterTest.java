package lockstep.storage.iscsi;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.storage.scsi.PersistentReserve;
import lockstep.storage.scsi.ScsiArbiter;
import lockstep.storage.scsi.Standing;
import lockstep.sys.Scheduler;
import lockstep.testing.CuttingProxy;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who gets a disk with persistent reservations, and that the loser cannot write it. */
class ScsiArbiterTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final String OTHER_VM = "ffeeddccbbaa99887766554433221100";
  private static final int IMAGE_BYTES = 1 << 20;
  private static final int RACES = 50;
  private static final int MANY_RACES = 1_000;

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");
  private Tgtd tgtd;

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

  private static Claimant claimant(String vm, long epoch, Side side) {
    return new Claimant(vm, epoch, side);
  }

  /** A host: its session, disk and arbiter. */
  private static final class Host implements AutoCloseable {
    private final IscsiSession session;
    private final IscsiDisk disk;
    private final ScsiArbiter arbiter;

    Host(IscsiAddress address) throws IOException {
      session = IscsiSession.open(address, IscsiTimes.USUAL);
      arbiter = new ScsiArbiter(session, PersistentReserve.Type.WRITE_EXCLUSIVE, 5_000);
      session.greeting(arbiter::restore);
      arbiter.onDoubt(session::doubt);
      disk = IscsiDisk.open(session);
    }

    BlockResult write(int block) throws Exception {
      return IscsiDiskTest.carryOut(
          disk, new BlockRequest.Write(1, block * 4096L, Bytes.copyOf(new byte[4096]), false));
    }

    Verdict claim(Claimant self) {
      Arbiter.Ruling ruling = arbiter.claim(self);
      System.out.println("ScsiArbiterTest: " + self.side() + " " + ruling);
      return ruling.verdict();
    }

    @Override
    public void close() throws IOException {
      arbiter.close();
      session.close();
    }
  }

  private Host host(String name) throws IOException {
    return new Host(
        IscsiAddress.parse(tgtd.address(1, "?initiator=iqn.2026-11.dev.lockstep.test:" + name)));
  }

  /** It shows no sign of life any more, and takes nothing along. */
  @Test
  void backupThatWasLetGoIsNotRegisteredAndTheDiskStaysItsVms() throws Exception {
    Claimant primary = claimant(VM, 1, Side.PRIMARY);
    Claimant backup = claimant(VM, 1, Side.BACKUP);
    try (Host one = host("one");
        Host two = host("two")) {
      one.arbiter.enter(primary);
      two.arbiter.enter(backup);
      assertEquals(2, one.arbiter.registered().size());
      two.arbiter.part(backup);
      assertEquals(1, one.arbiter.registered().size());
      assertEquals(Verdict.WON, one.claim(primary));
      assertInstanceOf(BlockResult.Done.class, one.write(1));
      one.arbiter.leave(primary);
      assertTrue(two.arbiter.registered().isEmpty());
    }
  }

  @Test
  void firstToClaimWinsForEverAndTheOtherIsRefusedByTheDisk() throws Exception {
    Claimant primary = claimant(VM, 1, Side.PRIMARY);
    Claimant backup = claimant(VM, 1, Side.BACKUP);
    try (Host one = host("one");
        Host two = host("two")) {
      one.arbiter.enter(primary);
      two.arbiter.enter(backup);
      one.arbiter.contested(true);
      assertInstanceOf(BlockResult.Done.class, one.write(0));
      assertInstanceOf(BlockResult.Fenced.class, two.write(0), "a backup that follows wrote");
      for (int i = 0; i < 3; i++) {
        assertEquals(Verdict.WON, two.claim(backup));
        assertEquals(Verdict.LOST, one.claim(primary));
      }
      assertInstanceOf(BlockResult.Fenced.class, one.write(0));
      assertInstanceOf(BlockResult.Done.class, two.write(0));
      Claimant second = claimant(VM, 2, Side.PRIMARY);
      two.arbiter.enter(second);
      one.arbiter.enter(second.peer());
      two.arbiter.contested(true);
      assertEquals(Verdict.LOST, one.claim(primary), "an old epoch");
      assertEquals(Verdict.WON, two.claim(second));
      assertEquals(Verdict.LOST, one.claim(second.peer()));
      assertInstanceOf(BlockResult.Done.class, two.write(0));
      assertThrows(IOException.class, () -> one.arbiter.enter(primary), "an old epoch");
      two.arbiter.leave(second);
      assertEquals(
          List.of(),
          new lockstep.storage.scsi.Reservations(
                  two.session, PersistentReserve.Type.WRITE_EXCLUSIVE, 5_000)
              .keys()
              .keys());
    }
  }

  @Test
  void diskOfLivingVmIsRefusedAndThatOfDeadOneTaken() throws Exception {
    Claimant first = claimant(VM, 1, Side.PRIMARY);
    Claimant stranger = claimant(OTHER_VM, 1, Side.PRIMARY);
    try (Host two = host("two")) {
      try (Host one = host("one")) {
        one.arbiter.enter(first);
        IOException refused = assertThrows(IOException.class, () -> two.arbiter.enter(stranger));
        assertTrue(String.valueOf(refused.getMessage()).contains("in use"), refused.toString());
        assertThrows(IOException.class, () -> two.arbiter.enter(stranger.peer()));
      }
      two.arbiter.enter(stranger);
      assertEquals(Verdict.LOST, two.claim(first.peer()));
    }
  }

  @Test
  void connectionThatBreaksCostsNeitherDiskNorVerdict() throws Exception {
    Claimant primary = claimant(VM, 1, Side.PRIMARY);
    Claimant backup = claimant(VM, 1, Side.BACKUP);
    try (CuttingProxy near = new CuttingProxy(tgtd.port());
        CuttingProxy far = new CuttingProxy(tgtd.port());
        Host one =
            new Host(
                IscsiAddress.parse(
                    Tgtd.address(near.port(), 1, "?initiator=iqn.2026-11.dev:one")));
        Host two =
            new Host(
                IscsiAddress.parse(
                    Tgtd.address(far.port(), 1, "?initiator=iqn.2026-11.dev:two")))) {
      one.arbiter.enter(primary);
      two.arbiter.enter(backup);
      one.arbiter.contested(true);
      near.cut(false);
      far.cut(false);
      assertInstanceOf(BlockResult.Done.class, one.write(0), "after its own reconnect");
      assertInstanceOf(BlockResult.Fenced.class, two.write(0));
      near.cut(true);
      assertEquals(Verdict.WON, two.claim(backup));
      far.cut(false);
      assertInstanceOf(BlockResult.Done.class, two.write(1), "the winner, reconnected");
      assertEquals(Verdict.WON, two.claim(backup));
      near.cut(false);
      assertInstanceOf(BlockResult.Fenced.class, one.write(2), "the loser, back again");
      assertEquals(Verdict.LOST, one.claim(primary));
      far.cut(true);
      Claimant second = claimant(VM, 2, Side.PRIMARY);
      assertEquals(Verdict.UNKNOWN, one.claim(second.peer()), "no such pair yet");
    }
  }

  @Test
  void targetThatForgetsGivesNoVerdictUntilItsWriterIsBack() throws Exception {
    Claimant primary = claimant(VM, 1, Side.PRIMARY);
    Claimant backup = claimant(VM, 1, Side.BACKUP);
    try (CuttingProxy near = new CuttingProxy(tgtd.port());
        Host one =
            new Host(
                IscsiAddress.parse(
                    Tgtd.address(near.port(), 1, "?initiator=iqn.2026-11.dev:one")));
        Host two = host("two")) {
      one.arbiter.enter(primary);
      two.arbiter.enter(backup);
      one.arbiter.contested(true);
      near.cut(true);
      tgtd.kill();
      tgtd.restart();
      assertEquals(Verdict.UNKNOWN, two.claim(backup), "it may have been decided before");
      near.cut(false);
      assertInstanceOf(BlockResult.Done.class, one.write(0));
      assertEquals(Verdict.WON, two.claim(backup));
      assertInstanceOf(BlockResult.Fenced.class, one.write(0));
    }
  }

  /** The old primary is back before the winner, and both find a unit that knows nothing. */
  @Test
  void winnerIsNotUndoneByATargetThatForgets() throws Exception {
    Claimant primary = claimant(VM, 1, Side.PRIMARY);
    Claimant backup = claimant(VM, 1, Side.BACKUP);
    try (CuttingProxy near = new CuttingProxy(tgtd.port());
        CuttingProxy far = new CuttingProxy(tgtd.port());
        Host one = through(near, "one");
        Host two = through(far, "two")) {
      one.arbiter.enter(primary);
      two.arbiter.enter(backup);
      one.arbiter.contested(true);
      near.cut(true);
      CompletableFuture<BlockResult> late = new CompletableFuture<>();
      one.disk.submit(
          new BlockRequest.Write(7, 0, Bytes.copyOf(filled(0xaa)), false),
          result -> late.complete(result.kept()));
      assertEquals(Verdict.WON, two.claim(backup));
      two.arbiter.contested(false);
      far.cut(true);
      tgtd.kill();
      tgtd.restart();
      near.cut(false);
      for (int i = 0; i < 5; i++) {
        assertEquals(Verdict.UNKNOWN, one.claim(primary), "it may have lost");
      }
      assertFalse(late.isDone(), "an old write was answered though nobody knows whose the disk is");
      far.cut(false);
      assertInstanceOf(BlockResult.Done.class, two.write(0), "the winner");
      assertEquals(
          "VM 001122..., epoch 1, backup that won", two.arbiter.holderLine().orElse("nobody"));
      assertInstanceOf(BlockResult.Fenced.class, late.get(60, TimeUnit.SECONDS));
      assertInstanceOf(BlockResult.Fenced.class, one.write(0), "the loser, awake");
      assertEquals(Verdict.LOST, one.claim(primary));
      assertEquals(Verdict.WON, two.claim(backup));
      assertArrayEquals(new byte[4096], Arrays.copyOf(Files.readAllBytes(image), 4096));
    }
  }

  /** Target and the pair's wire fail at one moment; nobody has won, and no person is needed. */
  @Test
  void pairThatLosesItsWireWhileTheTargetRestartsIsDecidedByItself() throws Exception {
    Claimant primary = claimant(VM, 1, Side.PRIMARY);
    Claimant backup = claimant(VM, 1, Side.BACKUP);
    try (Host one = host("one");
        Host two = host("two")) {
      one.arbiter.enter(primary);
      two.arbiter.enter(backup);
      one.arbiter.contested(true);
      tgtd.kill();
      tgtd.restart();
      Verdict first = Verdict.UNKNOWN;
      Verdict second = Verdict.UNKNOWN;
      while (first == Verdict.UNKNOWN || second == Verdict.UNKNOWN) {
        second = second == Verdict.UNKNOWN ? two.claim(backup) : second;
        first = first == Verdict.UNKNOWN ? one.claim(primary) : first;
        Thread.sleep(50);
      }
      assertNotEquals(first, second);
      Host winner = first == Verdict.WON ? one : two;
      Host loser = first == Verdict.WON ? two : one;
      assertInstanceOf(BlockResult.Done.class, winner.write(0));
      assertInstanceOf(BlockResult.Fenced.class, loser.write(0));
    }
  }

  /** Its heartbeats say enough: its way to the disk may be broken. */
  @Test
  void primaryGoesOnAfterARestartWhenItsBackupIsHeardOf() throws Exception {
    Claimant primary = claimant(VM, 1, Side.PRIMARY);
    Claimant backup = claimant(VM, 1, Side.BACKUP);
    try (CuttingProxy far = new CuttingProxy(tgtd.port());
        Host one = host("one");
        Host two = through(far, "two")) {
      one.arbiter.enter(primary);
      two.arbiter.enter(backup);
      one.arbiter.contested(true);
      one.arbiter.followed(Scheduler.HOST.steadyNanos());
      far.cut(true);
      tgtd.kill();
      tgtd.restart();
      CompletableFuture<BlockResult> write = new CompletableFuture<>();
      one.disk.submit(
          new BlockRequest.Write(7, 0, Bytes.copyOf(filled(0xaa)), false),
          result -> write.complete(result.kept()));
      while (one.arbiter.standing() != Standing.WAITS) {
        Thread.sleep(10);
      }
      assertFalse(write.isDone(), "what was heard before the restart says nothing");
      one.arbiter.followed(Scheduler.HOST.steadyNanos());
      assertInstanceOf(BlockResult.Done.class, write.get(60, TimeUnit.SECONDS));
    }
  }

  private static byte[] filled(int value) {
    byte[] data = new byte[4096];
    Arrays.fill(data, (byte) value);
    return data;
  }

  private static Host through(CuttingProxy proxy, String name) throws IOException {
    return new Host(
        IscsiAddress.parse(Tgtd.address(proxy.port(), 1, "?initiator=iqn.2026-11.dev:" + name)));
  }

  @Test
  void oneOfTwoProcessesWinsEachRaceAndTheOtherWritesNothingMore() throws Exception {
    race(RACES);
  }

  @Test
  @Tag("long")
  void oneOfTwoProcessesWinsEachOfManyRaces() throws Exception {
    race(MANY_RACES);
  }

  /** A process at the other end of two pipes. */
  private static final class Side2 implements AutoCloseable {
    private final Process process;
    private final BufferedReader in;
    private final Writer out;

    Side2(IscsiAddress address, String initiator, Side side) throws IOException {
      process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--enable-native-access=ALL-UNNAMED",
                  "-cp",
                  System.getProperty("java.class.path"),
                  RaceSide.class.getName(),
                  "//%s/%s/1?initiator=%s".formatted(address.portal(), address.target(), initiator),
                  side.name())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      in = process.inputReader(UTF_8);
      out = process.outputWriter(UTF_8);
    }

    void tell(String line) throws IOException {
      out.write(line + "\n");
      out.flush();
    }

    String answer() throws IOException {
      String line = in.readLine();
      return line == null ? "nothing" : line;
    }

    String ask(String line) throws IOException {
      tell(line);
      return answer();
    }

    @Override
    public void close() throws IOException {
      process.destroyForcibly().onExit().join();
      in.close();
    }
  }

  private void race(int rounds) throws Exception {
    int[] won = new int[2];
    try (Side2 one =
            new Side2(
                IscsiAddress.parse(tgtd.address(1, "")), "iqn.2026-11.dev:one", Side.PRIMARY);
        Side2 two =
            new Side2(
                IscsiAddress.parse(tgtd.address(1, "")), "iqn.2026-11.dev:two", Side.BACKUP)) {
      for (int round = 1; round <= rounds; round++) {
        assertEquals("entered", one.ask("enter " + round));
        assertEquals("entered", two.ask("enter " + round));
        assertEquals("contested", one.ask("contested " + round));
        long at = System.currentTimeMillis() + 5;
        // The primary needs one command for what the backup does with two.
        one.tell("claim " + round + " " + (at + (round % 3)));
        two.tell("claim " + round + " " + at);
        List<String> verdicts = List.of(one.answer(), two.answer());
        String shown = "round " + round + ": " + verdicts;
        assertTrue(verdicts.contains("WON") && verdicts.contains("LOST"), shown);
        boolean first = verdicts.get(0).equals("WON");
        won[first ? 0 : 1]++;
        byte[] before = first ? new byte[0] : firstBlocks();
        assertEquals("accepted 0 fenced 16", (first ? two : one).ask("write " + round), shown);
        if (!first) {
          assertArrayEquals(before, firstBlocks(), shown + ": the loser has changed the disk");
        }
        assertEquals("accepted 16 fenced 0", (first ? one : two).ask("write " + round), shown);
        if (!first) {
          // The primary had writes in flight when it lost: none may land on the winner's.
          assertArrayEquals(backupsBlocks(), firstBlocks(), shown + ": a late write");
        }
        assertEquals("left", (first ? two : one).ask("leave " + round));
        assertEquals("left", (first ? one : two).ask("leave " + round));
      }
    }
    System.out.printf(
        "ScsiArbiterTest: %d races, %d won by the primary, %d by the backup%n",
        rounds, won[0], won[1]);
    assertTrue(won[0] > 0 && won[1] > 0, Arrays.toString(won));
  }

  private static byte[] backupsBlocks() {
    byte[] blocks = new byte[8 * RaceSide.BLOCK];
    Arrays.fill(blocks, RaceSide.BACKUP_BYTE);
    return blocks;
  }

  private byte[] firstBlocks() throws IOException {
    return Arrays.copyOf(Files.readAllBytes(image), 8 * RaceSide.BLOCK);
  }
}
