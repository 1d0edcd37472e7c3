package lockstep.monitor.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

/** The bridge between the disk device and its medium: nothing lost, nothing twice, all bounded. */
class DiskBridgeTest {
  private static final int DEPTH = 4;
  private static final int REQUESTS = 5_000;

  /** A medium that refuses more than its depth, and completes when told or on its own threads. */
  private static final class Medium implements BlockDevice {
    final List<BlockRequest> inFlight = new ArrayList<>();
    final List<Consumer<BlockResult>> completions = new ArrayList<>();
    boolean broken;

    @Override
    public Geometry geometry() {
      return new Geometry(1 << 20, 512, false, false);
    }

    @Override
    public void submit(BlockRequest request, Consumer<BlockResult> completion) {
      if (broken || inFlight.size() == DEPTH) {
        throw new IllegalStateException("no room");
      }
      inFlight.add(request);
      completions.add(completion);
    }

    void complete(BlockResult result) {
      inFlight.removeFirst();
      completions.removeFirst().accept(result);
    }

    @Override
    public int depth() {
      return DEPTH;
    }

    @Override
    public void close() {
      // Nothing is open.
    }
  }

  @Test
  void mediumGetsNoMoreThanItsDepthAndTheRestInOrder() {
    Medium medium = new Medium();
    List<ExternalInput> inbox = new ArrayList<>();
    try (DiskBridge bridge = new DiskBridge(medium, inbox::add)) {
      for (int i = 0; i < 10; i++) {
        bridge.request(new BlockRequest.Flush(i));
      }
      for (int i = 0; i < 10; i++) {
        assertTrue(medium.inFlight.size() <= DEPTH);
        assertEquals(i, medium.inFlight.getFirst().id());
        medium.complete(new BlockResult.Done(i, Bytes.empty()));
      }
    }
    assertEquals(10, inbox.size());
  }

  @Test
  void everyEndBecomesItsCompletion() {
    Medium medium = new Medium();
    List<ExternalInput> inbox = new ArrayList<>();
    try (DiskBridge bridge = new DiskBridge(medium, inbox::add)) {
      for (int i = 0; i < 3; i++) {
        bridge.request(new BlockRequest.Flush(i));
      }
      medium.complete(new BlockResult.Done(0, Bytes.copyOf(new byte[] {1})));
      medium.complete(new BlockResult.Failed(1, "x".repeat(10_000)));
      medium.complete(new BlockResult.Fenced(2, "EBADE"));
      medium.broken = true;
      bridge.request(new BlockRequest.Flush(3));
    }
    List<DiskStatus> statuses =
        inbox.stream().map(input -> ((DiskCompletion) input).status()).toList();
    assertEquals(
        List.of(DiskStatus.DONE, DiskStatus.FAILED, DiskStatus.FENCED, DiskStatus.FAILED),
        statuses);
    assertEquals(DiskCompletion.MAX_REASON_BYTES, ((DiskCompletion) inbox.get(1)).data().size());
  }

  @Test
  void nothingIsLostOrDoubledByThreadsAndAFullQueue() throws Exception {
    ConcurrentLinkedQueue<Long> completed = new ConcurrentLinkedQueue<>();
    AtomicInteger tries = new AtomicInteger();
    AtomicInteger inFlight = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    ExecutorService threads = Executors.newFixedThreadPool(3);
    BlockDevice medium =
        new BlockDevice() {
          @Override
          public Geometry geometry() {
            return new Geometry(512, 512, false, false);
          }

          @Override
          public void submit(BlockRequest request, Consumer<BlockResult> completion) {
            most.accumulateAndGet(inFlight.incrementAndGet(), Math::max);
            threads.execute(
                () -> {
                  inFlight.decrementAndGet();
                  completion.accept(new BlockResult.Done(request.id(), Bytes.empty()));
                });
          }

          @Override
          public int depth() {
            return DEPTH;
          }

          @Override
          public void close() {
            threads.shutdown();
          }
        };
    try (DiskBridge bridge =
        new DiskBridge(
            medium,
            input ->
                tries.incrementAndGet() % 50 != 0
                    && completed.add(((DiskCompletion) input).id()))) {
      for (long i = 0; i < REQUESTS; i++) {
        bridge.request(new BlockRequest.Flush(i));
      }
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
      while (completed.size() < REQUESTS && System.nanoTime() < deadline) {
        TimeUnit.MILLISECONDS.sleep(5);
      }
    }
    medium.close();
    Set<Long> distinct = new HashSet<>(completed);
    assertEquals(REQUESTS, completed.size());
    assertEquals(REQUESTS, distinct.size());
    assertTrue(most.get() <= DEPTH, most + " in flight");
  }
}
