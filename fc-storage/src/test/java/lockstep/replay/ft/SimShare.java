package lockstep.replay.ft;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.storage.FileLease;
import lockstep.storage.LeasedDisk;
import lockstep.storage.lease.LeaseChain;
import lockstep.storage.lease.LeaseClock;
import lockstep.storage.lease.LeaseState;
import lockstep.testing.SimulatedShare;

/**
 * A file system that all hosts of a world have mounted, and on it an image with the real lease of
 * each process, which also each write asks. The share does not answer one host or any, is slow, is
 * not mounted, has no room, loses the power of its server and with it what was not synced; hosts
 * remember names; files of the lease are removed. It refuses no loser's writes.
 */
final class SimShare implements SimStorage {
  private static final long MS = SimWorld.MS;
  private static final int DEPTH = 32;

  /** What can be broken on purpose, to see that the checks find it. */
  enum Plant {
    NOTHING,
    /** A claim is answered before it is on the medium. */
    NO_SYNC,
    /** A share that is not there counts as a verdict. */
    UNKNOWN_IS_LOST,
    /** Who claims a share that does not say who has it has won. */
    UNKNOWN_IS_WON
  }

  private record Pair(long epoch, Claimant.Side side) {}

  private static final class Block {
    private long number;
    private Bytes content = SimMemory.contentOf(0, 0);
  }

  private final Plant plant;
  private final SimCluster cluster;
  private final SimWorld world;
  private final SimulatedShare share;
  private final LeaseChain truth;
  private final List<SimulatedShare.Cache> caches = new ArrayList<>();
  private final Map<SimSide, Way> ways = new HashMap<>();
  private final Map<Pair, SimSide> entered = new HashMap<>();
  private final Map<Long, SimSide> winners = new HashMap<>();
  private final Block[] blocks = new Block[SimMemory.BLOCKS];
  private Optional<LeaseState> seen = Optional.empty();
  private Optional<SimSide> owner = Optional.empty();
  private long slowUntilNanos;
  private long backNanos;

  SimShare(SimCluster cluster, Plant plant) {
    this.cluster = cluster;
    this.world = cluster.world;
    this.plant = plant;
    this.share = new SimulatedShare(world::now, world.random);
    this.truth = new LeaseChain(share.mount(SimulatedShare.Cache.NONE, true));
    SimulatedShare.Cache[] kinds = SimulatedShare.Cache.values();
    for (int i = 0; i < 3; i++) {
      caches.add(kinds[world.random.nextInt(kinds.length)]);
    }
    for (int i = 0; i < blocks.length; i++) {
      blocks[i] = new Block();
    }
    if (world.chance(0.3)) {
      trouble();
    }
  }

  /** What happens to file systems only. */
  private void trouble() {
    long from = world.between(0, cluster.lengthNanos);
    long length = world.between(0, SimWorld.SECOND);
    SimHost[] host = new SimHost[1];
    world.after(from, () -> host[0] = cluster.host(world.random.nextInt(3)));
    switch (world.random.nextInt(5)) {
      case 0 -> {
        world.after(from, () -> full(true));
        world.after(from + length, () -> full(false));
      }
      case 1 -> {
        world.after(from, () -> mounted(host[0], false));
        world.after(from + length, () -> mounted(host[0], true));
      }
      case 2 -> world.after(from, () -> errors(host[0], 100));
      case 3 ->
          world.after(
              from,
              () -> {
                world.trace("IMAGE.lease is removed");
                share.remove("");
              });
      default ->
          world.after(
              from,
              () -> {
                world.trace("all files of the lease are removed");
                share.removeAll();
              });
    }
  }

  private void full(boolean now) {
    world.trace(now ? "the share is full" : "the share has room");
    share.full(now);
  }

  private void mounted(SimHost host, boolean now) {
    world.trace("%s has the share %s".formatted(host.name, now ? "mounted" : "unmounted"));
    ways.forEach(
        (side, way) -> {
          if (side.host == host) {
            way.mount.mounted(now);
          }
        });
  }

  private void errors(SimHost host, int perMille) {
    world.trace("calls of %s fail now and then".formatted(host.name));
    ways.forEach(
        (side, way) -> {
          if (side.host == host) {
            way.mount.errors(perMille);
          }
        });
  }

  @Override
  public void slow(long untilNanos) {
    slowUntilNanos = Math.max(slowUntilNanos, untilNanos);
  }

  @Override
  public void restart(long untilNanos) {
    backNanos = Math.max(backNanos, untilNanos);
    share.loseUnsynced();
  }

  @Override
  public void heal() {
    slowUntilNanos = 0;
    backNanos = 0;
    share.full(false);
    for (Way way : ways.values()) {
      way.mount.mounted(true);
      way.mount.errors(0);
    }
  }

  private boolean isReached(SimSide from) {
    return Math.max(backNanos, from.host.storageBackNanos()) <= world.now();
  }

  @Override
  public boolean answers(SimSide side) {
    return isReached(side);
  }

  // What comes of it.

  /** What the share says by now. */
  private void look() {
    Optional<LeaseState> now = read();
    if (now.equals(seen)) {
      return;
    }
    seen = now;
    now.ifPresent(
        state -> {
          switch (state.mark()) {
            case PRIMARY -> decided(new Pair(state.epoch(), Claimant.Side.PRIMARY));
            case BACKUP -> decided(new Pair(state.epoch(), Claimant.Side.BACKUP));
            case OPEN, OVER -> {
              // Nobody has won.
            }
          }
        });
  }

  private Optional<LeaseState> read() {
    try {
      return truth.read() instanceof LeaseChain.View.At at
          ? Optional.of(at.state())
          : Optional.empty();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A claim has taken effect; a loss of the server's power may still undo it. */
  private void decided(Pair winner) {
    SimSide side = entered.get(winner);
    if (side != null && !winners.containsKey(winner.epoch()) && !isOwner(side)) {
      owner = Optional.of(side);
      cluster.outside.wins(side);
    }
  }

  private boolean isOwner(SimSide side) {
    return owner.equals(Optional.of(side));
  }

  private void wins(long epoch, SimSide side) {
    SimSide before = winners.putIfAbsent(epoch, side);
    if (before == null) {
      owner = Optional.of(side);
      cluster.outside.wins(side);
    } else if (before != side) {
      world.fail(
          "%s has won epoch %d, and so has %s; %s".formatted(before.name, epoch, side.name, seen));
    }
  }

  /** The files that said it are gone (docs/adr/0008-file-lease.md). */
  @Override
  public boolean isUndecidable(SimSide side) {
    return read().isEmpty();
  }

  // What a process has of it.

  private Way way(SimSide side) {
    return Objects.requireNonNull(ways.get(side));
  }

  @Override
  public Arbiter arbiter(SimSide side) {
    Way made = new Way(side);
    ways.put(side, made);
    return made;
  }

  @Override
  public BlockDevice device(SimSide side) {
    Way way = way(side);
    return new LeasedDisk(new Image(side), way.lease, side.process::spawn);
  }

  /** The lease of a process; what it rules is seen. */
  private final class Way implements Arbiter, LeaseClock {
    private final SimSide side;
    private final SimulatedShare.Mount mount;
    private final FileLease lease;

    Way(SimSide side) {
      this.side = side;
      this.mount = share.mount(caches.get(side.host.number), world.chance(0.5));
      mount.pause(this::takesTime);
      if (plant == Plant.NO_SYNC) {
        mount.ignoreSync();
      }
      this.lease = new FileLease(mount, this, side.name);
      lease.onLoss(reason -> side.node.post(new FtEvent.Fenced(reason)));
    }

    /** A call goes to the server, or comes back. */
    private void takesTime() {
      look();
      boolean interrupted = false;
      long nanos =
          world.now() < slowUntilNanos ? world.between(0, 100 * MS) : world.between(5_000, MS / 2);
      // A hard mount waits for its server.
      do {
        try {
          side.process.sleep(nanos);
        } catch (InterruptedException e) {
          interrupted = true;
        }
        nanos = 5 * MS;
      } while (!isReached(side));
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public long nanos() {
      return side.process.nanoTime();
    }

    @Override
    public void sleep(long nanos) throws InterruptedIOException {
      try {
        side.process.sleep(nanos);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted");
      }
    }

    @Override
    public Runnable repeat(long nanos, Runnable work) {
      Thread thread =
          side.process.thread(
              "lease-alive",
              true,
              () -> {
                try {
                  while (true) {
                    side.process.sleep(nanos);
                    work.run();
                  }
                } catch (InterruptedException e) {
                  // Stopped.
                }
              });
      thread.start();
      return thread::interrupt;
    }

    @Override
    public Lock lock() {
      return side.process.lock();
    }

    @Override
    public void enter(Claimant self) throws IOException {
      entered.put(new Pair(self.epoch(), self.side()), side);
      lease.enter(self);
      if (owner.isEmpty() && self.side() == Claimant.Side.PRIMARY) {
        owner = Optional.of(side);
      }
      world.trace("%s has entered epoch %d".formatted(side.name, self.epoch()));
    }

    @Override
    public Ruling claim(Claimant self) {
      Ruling ruling = lease.claim(self);
      world.trace("%s claims epoch %d: %s".formatted(side.name, self.epoch(), ruling));
      if (ruling.verdict() == Verdict.UNKNOWN && plant == Plant.UNKNOWN_IS_LOST) {
        return new Ruling(Verdict.LOST, "planted");
      }
      if (ruling.verdict() == Verdict.UNKNOWN && plant == Plant.UNKNOWN_IS_WON) {
        return new Ruling(Verdict.WON, "planted");
      }
      if (ruling.verdict() == Verdict.WON) {
        wins(self.epoch(), side);
      }
      return ruling;
    }

    @Override
    public void part(Claimant self) throws IOException {
      lease.part(self);
    }

    @Override
    public void leave(Claimant self) throws IOException {
      lease.leave(self);
    }

    @Override
    public void contested(boolean may) {
      lease.contested(may);
    }

    @Override
    public void followed(long nanos) {
      lease.followed(nanos);
    }

    @Override
    public boolean holds() {
      return lease.holds();
    }

    @Override
    public boolean fences() {
      return lease.fences();
    }

    @Override
    public void close() throws IOException {
      lease.close();
    }
  }

  /** The image as one process has it open; a thread of it makes the system calls. */
  private final class Image implements BlockDevice {
    private final SimSide side;
    private final SimExecutor calls;
    private WritePermit permit = WritePermit.ALWAYS;

    Image(SimSide side) {
      this.side = side;
      this.calls = new SimExecutor("image", side.process);
    }

    @Override
    public Geometry geometry() {
      return new Geometry(
          (long) SimMemory.BLOCKS * SimMemory.BLOCK_BYTES, SimMemory.BLOCK_BYTES, false, false);
    }

    @Override
    public void submit(BlockRequest request, Consumer<BlockResult> completion) {
      calls.execute(() -> call(request, completion));
    }

    private void call(BlockRequest request, Consumer<BlockResult> completion) {
      if (request.changes() && permit.now() != WritePermit.Answer.START) {
        side.completed(new BlockResult.NotStarted(request.id()), completion);
      } else {
        // What nothing fences must be quick, or a loser's write is on its way for too long.
        world.after(world.between(20_000, 2 * MS), () -> arrives(request, completion));
      }
    }

    private void arrives(BlockRequest request, Consumer<BlockResult> completion) {
      if (!isReached(side)) {
        // The host's kernel sends it again. The share would take it also from a loser, as
        // docs/storage.md says; these worlds leave that out.
        if (!side.process.isDead() && isOwner(side)) {
          world.after(5 * MS, () -> arrives(request, completion));
        }
      } else if (!side.host.isSilent() || world.chance(0.5)) {
        BlockResult result = carryOut(request);
        world.after(world.between(0, MS), () -> side.completed(result, completion));
      }
    }

    private BlockResult carryOut(BlockRequest request) {
      int number = SimMemory.blockOf(request);
      switch (request) {
        case BlockRequest.Read _ -> {
          return new BlockResult.Done(request.id(), blocks[number].content);
        }
        case BlockRequest.Write write -> {
          Block block = blocks[number];
          long next = write.data().asBuffer().getLong(0);
          cluster.outside.writes(side, number, block.number, next, write.data());
          block.number = Math.max(block.number, next);
          block.content = write.data();
        }
        case BlockRequest.Flush _ -> {
          // What is done is on the medium.
        }
        case BlockRequest.Discard _ -> throw new IllegalArgumentException("no discards here");
      }
      return new BlockResult.Done(request.id(), Bytes.empty());
    }

    @Override
    public int depth() {
      return DEPTH;
    }

    @Override
    public void permit(WritePermit now) {
      permit = now;
    }

    @Override
    public void dropCache() {
      // Nothing is kept of it.
    }

    @Override
    public void close() {
      // Its process ends soon.
    }
  }
}
