package lockstep.replay.ft;

import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;

/**
 * A storage that stands in for the real ones: blocks, and the test-and-set that pairs ask. Who has
 * lost is refused, where it fences; where it does not, a write lands that was on its way.
 */
final class SimTestAndSet implements SimStorage {
  private static final int DEPTH = 32;
  private static final long MS = SimWorld.MS;

  private static final class Block {
    private long number;
    private Bytes content = SimMemory.contentOf(0, 0);
  }

  private final SimCluster cluster;
  private final SimWorld world;
  private final Block[] blocks = new Block[SimMemory.BLOCKS];

  /** Whether the loser of a claim is refused by the storage itself. */
  private final boolean fences;

  private long epoch;
  private Optional<SimSide> owner = Optional.empty();
  private Optional<SimSide> claimedBy = Optional.empty();
  private long slowUntilNanos;
  private long backNanos;

  SimTestAndSet(SimCluster cluster, boolean fences) {
    this.cluster = cluster;
    this.world = cluster.world;
    this.fences = fences;
    for (int i = 0; i < blocks.length; i++) {
      blocks[i] = new Block();
    }
  }

  @Override
  public void slow(long untilNanos) {
    slowUntilNanos = Math.max(slowUntilNanos, untilNanos);
  }

  @Override
  public void restart(long untilNanos) {
    backNanos = Math.max(backNanos, untilNanos);
    if (cluster.plant == SimPlant.STORAGE_FORGETS) {
      claimedBy = Optional.empty();
    }
  }

  @Override
  public void heal() {
    slowUntilNanos = 0;
    backNanos = 0;
  }

  private long backFor(SimSide side) {
    return Math.max(backNanos, side.host.storageBackNanos());
  }

  @Override
  public boolean answers(SimSide side) {
    return backFor(side) <= world.now();
  }

  @Override
  public boolean isUndecidable(SimSide side) {
    return false;
  }

  // The disk.

  @Override
  public BlockDevice device(SimSide side) {
    return new BlockDevice() {
      private WritePermit permit = WritePermit.ALWAYS;

      @Override
      public Geometry geometry() {
        return new Geometry(
            (long) SimMemory.BLOCKS * SimMemory.BLOCK_BYTES, SimMemory.BLOCK_BYTES, false, false);
      }

      @Override
      public void submit(BlockRequest request, Consumer<BlockResult> completion) {
        world.after(inQueue(), () -> takeUp(request, completion));
      }

      /** By the engine's thread, which asks right before the system call. */
      private void takeUp(BlockRequest request, Consumer<BlockResult> completion) {
        if (side.process.isStopped()) {
          world.after(MS, () -> takeUp(request, completion));
        } else if (request.changes() && permit.now() != WritePermit.Answer.START) {
          world.after(
              0, () -> side.completed(new BlockResult.NotStarted(request.id()), completion));
        } else if (!side.process.isDead()) {
          world.after(latency(), () -> arrives(side, request, completion));
        }
      }

      @Override
      public int depth() {
        return DEPTH;
      }

      @Override
      public void permit(WritePermit permit) {
        this.permit = permit;
      }

      @Override
      public void dropCache() {
        // Nothing is kept of it.
      }

      @Override
      public void close() {
        // Nothing is held.
      }
    };
  }

  /** A thread of the engine is busy, or has no CPU. */
  private long inQueue() {
    return world.chance(0.02) ? world.between(0, 700 * MS) : world.between(0, MS / 10);
  }

  private long latency() {
    // What cannot fence must be quick, or a loser's write is on its way for too long.
    return world.now() < slowUntilNanos && fences
        ? world.between(0, 600 * MS)
        : world.between(20_000, 2 * MS);
  }

  private void arrives(SimSide side, BlockRequest request, Consumer<BlockResult> completion) {
    long back = backFor(side);
    if (back > world.now()) {
      // The host's kernel sends it again, as long as there is one.
      if (!side.process.isDead()) {
        world.after(
            back - world.now() + world.between(0, MS),
            () -> {
              // What cannot fence would take it also from a loser: docs/storage.md says so, "It
              // decides who goes on, and it cannot fence".
              if (!side.process.isDead() && (fences || owner.equals(Optional.of(side)))) {
                arrives(side, request, completion);
              }
            });
      }
      return;
    }
    if (side.host.isSilent() && world.chance(0.5)) {
      return;
    }
    BlockResult result =
        fences && !owner.equals(Optional.of(side))
            ? new BlockResult.Fenced(request.id(), "reserved by another host")
            : carryOut(side, request);
    world.after(world.between(0, MS), () -> side.completed(result, completion));
  }

  private BlockResult carryOut(SimSide side, BlockRequest request) {
    int number = SimMemory.blockOf(request);
    switch (request) {
      case BlockRequest.Read _ -> {
        Bytes cached = side.host.cached(number).orElse(blocks[number].content);
        return new BlockResult.Done(request.id(), cached);
      }
      case BlockRequest.Write write -> {
        Block block = blocks[number];
        long next = write.data().asBuffer().getLong(0);
        cluster.outside.writes(side, number, block.number, next, write.data());
        block.number = Math.max(block.number, next);
        if (cluster.plant == SimPlant.WRITES_IN_HOST_CACHE) {
          side.host.cache(number, write.data(), () -> block.content = write.data());
        } else {
          block.content = write.data();
        }
      }
      case BlockRequest.Flush _ -> {
        // What is done is on the storage.
      }
      case BlockRequest.Discard _ -> throw new IllegalArgumentException("no discards here");
    }
    return new BlockResult.Done(request.id(), Bytes.empty());
  }

  // The test-and-set.

  @Override
  public Arbiter arbiter(SimSide side) {
    return new Port(side);
  }

  private final class Port implements Arbiter {
    private final SimSide side;

    Port(SimSide side) {
      this.side = side;
    }

    private void takesTime() throws InterruptedException {
      side.process.sleep(world.between(0, (world.now() < slowUntilNanos ? 1_500 : 20) * MS));
    }

    private boolean isThere() {
      return backFor(side) <= world.now();
    }

    @Override
    public void enter(Claimant self) throws IOException {
      try {
        takesTime();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("told to end", e);
      }
      if (!isThere()) {
        throw new IOException("the disk does not answer");
      }
      if (!enters(self)) {
        throw new IOException("the disk refuses %s of epoch %d".formatted(side.name, self.epoch()));
      }
    }

    private boolean enters(Claimant self) {
      if (self.side() == Claimant.Side.BACKUP) {
        return self.epoch() == epoch;
      }
      if (self.epoch() > epoch && owner.map(side::equals).orElse(true)) {
        epoch = self.epoch();
        claimedBy = Optional.empty();
        owner = Optional.of(side);
      }
      return self.epoch() == epoch && owner.equals(Optional.of(side));
    }

    @Override
    public Ruling claim(Claimant self) throws InterruptedException {
      takesTime();
      boolean there = isThere();
      boolean over = self.epoch() != epoch && cluster.plant != SimPlant.OLD_EPOCH_ACCEPTED;
      // It may take effect though no answer comes.
      if ((there || world.chance(0.5)) && !over && claimedBy.isEmpty()) {
        claimedBy = Optional.of(side);
        owner = claimedBy;
        cluster.outside.wins(side);
      }
      Optional<SimSide> winner = claimedBy;
      takesTime();
      if (cluster.plant == SimPlant.LIVE_WITHOUT_ARBITRATION) {
        return new Ruling(Verdict.WON, "planted");
      }
      if (!there || !isThere() || world.chance(0.05)) {
        return new Ruling(
            cluster.plant == SimPlant.UNKNOWN_IS_LOST ? Verdict.LOST : Verdict.UNKNOWN,
            "no answer");
      }
      return !over && winner.equals(Optional.of(side))
          ? new Ruling(Verdict.WON, "first")
          : new Ruling(Verdict.LOST, over ? "old epoch" : "second");
    }

    @Override
    public void part(Claimant self) {
      // Nothing is kept of a backup.
    }

    @Override
    public void leave(Claimant self) {
      // A VM that is over needs no disk; the next one of a world would be another VM.
    }

    @Override
    public void contested(boolean may) {
      // It does not forget.
    }

    @Override
    public void followed(long nanos) {
      // It does not forget.
    }

    @Override
    public boolean holds() {
      return true;
    }

    @Override
    public boolean fences() {
      return fences;
    }

    @Override
    public void close() {
      // Nothing is held.
    }
  }
}
