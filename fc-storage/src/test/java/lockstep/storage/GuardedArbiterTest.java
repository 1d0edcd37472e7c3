package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
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
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a disk that does not decide gets of the decision. */
class GuardedArbiterTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final Claimant PRIMARY = new Claimant(VM, 1, Side.PRIMARY);
  private static final Claimant BACKUP = new Claimant(VM, 1, Side.BACKUP);
  private static final Claimant STRANGER =
      new Claimant("ffeeddccbbaa99887766554433221100", 1, Side.PRIMARY);
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 30;

  @TempDir private Path directory = Path.of("");

  /** Decides as it is told, and remembers what it was told. */
  private static final class Decider implements Arbiter {
    private final List<String> told = new ArrayList<>();
    private Verdict verdict = Verdict.WON;
    private boolean refuses;

    @Override
    public void enter(Claimant self) throws IOException {
      if (refuses) {
        throw new IOException("no");
      }
    }

    @Override
    public Ruling claim(Claimant self) {
      return new Ruling(verdict, "as told");
    }

    @Override
    public void contested(boolean may) {
      told.add("contested " + may);
    }

    @Override
    public void followed(long nanos) {
      told.add("followed " + nanos);
    }

    @Override
    public void part(Claimant self) {
      told.add("part");
    }

    @Override
    public void leave(Claimant self) {
      told.add("leave");
    }

    @Override
    public boolean holds() {
      return true;
    }

    @Override
    public boolean fences() {
      return false;
    }

    @Override
    public void close() {
      told.add("close");
    }
  }

  private Tgtd target() throws Exception {
    Path image = directory.resolve("disk.img");
    FileDisk.create(image, IMAGE_BYTES);
    return Tgtd.start(image);
  }

  private static SharedDisk unit(Tgtd tgtd, String host) throws IOException {
    String as = "?initiator=iqn.2026-11.dev.lockstep.test:" + host;
    return SharedDisk.open(DiskSpec.parse("iscsi:" + tgtd.address(1, as)), BlockDisk.Use.PAIR);
  }

  private static BlockResult written(SharedDisk disk) throws Exception {
    CompletableFuture<BlockResult> result = new CompletableFuture<>();
    disk.requests()
        .submit(
            new BlockRequest.Write(1, 0, Bytes.copyOf(new byte[4096]), false), result::complete);
    return result.get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  /** A target that forgets gives a disk to its primary again only while no backup may claim. */
  @Test
  void whetherABackupMayClaimIsToldToTheOneThatDecides() throws Exception {
    Decider decider = new Decider();
    try (FileLease lease = new FileLease(directory.resolve("disk.img"));
        GuardedArbiter both = new GuardedArbiter(decider, lease)) {
      both.contested(true);
      both.followed(7);
      both.contested(false);
    }
    assertEquals(List.of("contested true", "followed 7", "contested false", "close"), decider.told);
  }

  @Test
  void theUnitFollowsTheDecisionAndRefusesTheLosersWrites() throws Exception {
    try (Tgtd tgtd = target();
        SharedDisk one = unit(tgtd, "one");
        SharedDisk two = unit(tgtd, "two");
        SharedDisk third = unit(tgtd, "third")) {
      GuardedArbiter primary = new GuardedArbiter(new Decider(), one.arbiter().orElseThrow());
      GuardedArbiter backup = new GuardedArbiter(new Decider(), two.arbiter().orElseThrow());
      primary.enter(PRIMARY);
      backup.enter(BACKUP);
      assertInstanceOf(BlockResult.Done.class, written(one));
      assertThrows(IOException.class, () -> third.heldFor(STRANGER), "another VM got it");

      assertEquals(Verdict.WON, backup.claim(BACKUP).verdict());
      assertInstanceOf(BlockResult.Done.class, written(two));
      assertInstanceOf(BlockResult.Fenced.class, written(one), "the loser's write");
      assertThrows(IOException.class, () -> third.heldFor(STRANGER), "another VM got it");
      backup.leave(BACKUP);
    }
  }

  @Test
  void aUnitThatDoesNotAnswerLeavesTheClaimOpen() throws Exception {
    try (Tgtd tgtd = target();
        SharedDisk disk = unit(tgtd, "one")) {
      GuardedArbiter both = new GuardedArbiter(new Decider(), disk.arbiter().orElseThrow());
      both.enter(PRIMARY);
      tgtd.kill();
      assertEquals(Verdict.UNKNOWN, both.claim(PRIMARY).verdict());
      tgtd.restart();
    }
  }

  @Test
  void whatTheDeciderRefusesLeavesTheUnitFree() throws Exception {
    try (Tgtd tgtd = target();
        SharedDisk one = unit(tgtd, "one");
        SharedDisk third = unit(tgtd, "third")) {
      Decider decider = new Decider();
      decider.refuses = true;
      GuardedArbiter both = new GuardedArbiter(decider, one.arbiter().orElseThrow());
      assertThrows(IOException.class, () -> both.enter(PRIMARY));
      third.heldFor(STRANGER).close();
    }
  }

  @Test
  void aLoserLeavesTheUnit() throws Exception {
    try (Tgtd tgtd = target();
        SharedDisk one = unit(tgtd, "one")) {
      Decider decider = new Decider();
      decider.verdict = Verdict.LOST;
      GuardedArbiter both = new GuardedArbiter(decider, one.arbiter().orElseThrow());
      both.enter(PRIMARY);
      assertEquals(Verdict.LOST, both.claim(PRIMARY).verdict());
      assertEquals(List.of(), one.arbiter().orElseThrow().registered());
    }
  }
}
