package lockstep.storage;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.storage.FileLease.Standing;

/**
 * A medium whose changes need a lease, or a reservation: it is asked here and, right before the
 * system call, by the medium's own thread. While the lease is unsure, changes wait here; when it is
 * lost, every request is answered as fenced, and the guest ends.
 *
 * <p>Any thread.
 */
public final class LeasedDisk implements BlockDevice {
  private final BlockDevice medium;
  private final Tenure lease;
  private final Executor elsewhere;
  private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
  private volatile WritePermit outer = WritePermit.ALWAYS;
  private boolean closed;

  private record Waiting(BlockRequest request, Consumer<BlockResult> completion) {}

  /**
   * @param medium closed with this
   * @param lease stays its owner's
   */
  public LeasedDisk(BlockDevice medium, FileLease lease) {
    this(medium, (Tenure) lease);
  }

  /** The same with something else to ask. */
  LeasedDisk(BlockDevice medium, Tenure lease) {
    this(medium, lease, work -> Thread.ofVirtual().name("disk-lease").start(work));
  }

  /**
   * The same.
   *
   * @param elsewhere does something on another thread than the caller's
   */
  public LeasedDisk(BlockDevice medium, FileLease lease, Executor elsewhere) {
    this(medium, (Tenure) lease, elsewhere);
  }

  private LeasedDisk(BlockDevice medium, Tenure lease, Executor elsewhere) {
    this.elsewhere = elsewhere;
    this.medium = medium;
    this.lease = lease;
    medium.permit(this::answer);
    lease.watch(standing -> look());
  }

  private WritePermit.Answer answer() {
    return switch (lease.standing()) {
      case HELD -> outer.now();
      case UNSURE -> WritePermit.Answer.HOLD;
      case LOST -> WritePermit.Answer.DROP;
    };
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
  public void permit(WritePermit permit) {
    outer = permit;
  }

  @Override
  public void dropCache() throws IOException {
    medium.dropCache();
  }

  @Override
  public void submit(BlockRequest request, Consumer<BlockResult> completion) {
    if (mayGo(request)) {
      pass(request, completion);
    } else {
      keep(new Waiting(request, completion));
    }
  }

  private boolean mayGo(BlockRequest request) {
    return switch (lease.standing()) {
      case HELD -> true;
      case UNSURE -> !request.changes();
      case LOST -> false;
    };
  }

  private void pass(BlockRequest request, Consumer<BlockResult> completion) {
    medium.submit(
        request,
        result -> {
          if (result instanceof BlockResult.NotStarted && lease.standing() != Standing.HELD) {
            keep(new Waiting(request, completion));
          } else {
            completion.accept(result);
          }
        });
  }

  private void keep(Waiting one) {
    synchronized (waiting) {
      if (closed) {
        throw new IllegalStateException("the disk is closed");
      }
      waiting.add(one);
    }
    if (lease.standing() != Standing.UNSURE) {
      // Not on the caller's thread, which may hold what the completion waits for.
      elsewhere.execute(this::look);
    }
  }

  /** Lets go of what waits, if it may go or never will. */
  private void look() {
    Standing standing = lease.standing();
    if (standing == Standing.UNSURE) {
      return;
    }
    for (Waiting each : takeAll()) {
      if (standing == Standing.LOST) {
        each.completion().accept(new BlockResult.Fenced(each.request().id(), lease.lossReason()));
      } else {
        pass(each.request(), each.completion());
      }
    }
  }

  private List<Waiting> takeAll() {
    synchronized (waiting) {
      List<Waiting> all = new ArrayList<>(waiting);
      waiting.clear();
      return all;
    }
  }

  @Override
  public void close() throws IOException {
    synchronized (waiting) {
      closed = true;
    }
    medium.close();
    // After the medium, which may give back what had not reached it.
    takeAll()
        .forEach(each -> each.completion().accept(new BlockResult.NotStarted(each.request().id())));
  }
}
