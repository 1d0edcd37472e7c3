package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;

/**
 * A medium whose writes can be held back: they are neither carried out nor answered meanwhile. Like
 * an engine, it asks the permit right before it carries one out.
 */
final class HeldMedium implements BlockDevice {
  private final BlockDevice medium;
  private final ArrayDeque<Runnable> held = new ArrayDeque<>();
  private boolean holds;
  private boolean fails;
  private int notStarted;
  private WritePermit permit = WritePermit.ALWAYS;

  /** The medium stays its owner's. */
  HeldMedium(BlockDevice medium) {
    this.medium = medium;
  }

  synchronized void hold() {
    holds = true;
  }

  /** Waits until a write is held. */
  synchronized void awaitHeld(long limitSeconds) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
    while (held.isEmpty()) {
      assertTrue(System.nanoTime() < deadline, "the guest writes nothing");
      wait(100);
    }
  }

  /** Carries out what was held, and all that comes, at once. */
  synchronized void release() {
    holds = false;
    while (!held.isEmpty()) {
      held.remove().run();
    }
  }

  /** The next write is an Error. */
  synchronized void fail() {
    fails = true;
  }

  @Override
  public synchronized void submit(BlockRequest request, Consumer<BlockResult> completion) {
    if (fails && request instanceof BlockRequest.Write) {
      throw new AssertionError("planted in the medium");
    }
    if (holds && request instanceof BlockRequest.Write) {
      held.add(() -> start(request, completion));
      notifyAll();
    } else {
      start(request, completion);
    }
  }

  /** How many requests the permit has kept from the medium, of those that were its already. */
  synchronized int notStarted() {
    return notStarted;
  }

  private synchronized void start(BlockRequest request, Consumer<BlockResult> completion) {
    if (request.changes() && permit.now() != WritePermit.Answer.START) {
      notStarted++;
      completion.accept(new BlockResult.NotStarted(request.id()));
    } else {
      medium.submit(request, completion);
    }
  }

  @Override
  public synchronized void permit(WritePermit now) {
    permit = now;
  }

  @Override
  public void dropCache() throws IOException {
    medium.dropCache();
  }

  @Override
  public Geometry geometry() {
    return medium.geometry();
  }

  @Override
  public int depth() {
    return medium.depth();
  }

  @Override
  public void close() {
    // Its owner closes the medium.
  }
}
