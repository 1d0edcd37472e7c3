package lockstep.monitor.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
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
    WritePermit permit = WritePermit.ALWAYS;

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
    public void permit(WritePermit now) {
      permit = now;
    }

    @Override
    public void dropCache() {
      // There is none.
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
    try (DiskBridge bridge = new DiskBridge(0, medium, inbox::add)) {
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
    try (DiskBridge bridge = new DiskBridge(0, medium, inbox::add)) {
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
          public void permit(WritePermit permit) {
            // Nobody else writes to it.
          }

          @Override
          public void dropCache() {
            // There is none.
          }

          @Override
          public void close() {
            threads.shutdown();
          }
        };
    try (DiskBridge bridge =
        new DiskBridge(
            0,
            medium,
            input ->
                tries.incrementAndGet() % 50 != 0
                    && completed.add(((DiskCompletion) input).id()))) {
      for (long i = 0; i < REQUESTS; i++) {
        while (bridge.waiting() >= BlockRequest.MAX_UNANSWERED) {
          // A guest waits for answers before it asks more.
          TimeUnit.MILLISECONDS.sleep(1);
        }
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

  private static BlockRequest.Write write(long id) {
    return new BlockRequest.Write(id, 0, Bytes.copyOf(new byte[512]), false);
  }

  @Test
  void writesWaitWhileNothingMayStartAndReadsPassThem() {
    Medium medium = new Medium();
    List<ExternalInput> inbox = new ArrayList<>();
    AtomicReference<WritePermit.Answer> answer = new AtomicReference<>(WritePermit.Answer.HOLD);
    try (DiskBridge bridge =
        new DiskBridge(0, medium, inbox::add, () -> Objects.requireNonNull(answer.get()))) {
      bridge.request(write(1));
      bridge.request(new BlockRequest.Flush(2));
      bridge.request(new BlockRequest.Read(3, 0, 512));
      assertEquals(List.of(3L), medium.inFlight.stream().map(BlockRequest::id).toList());
      answer.set(WritePermit.Answer.START);
      bridge.permitChanged();
      assertEquals(List.of(3L, 1L, 2L), medium.inFlight.stream().map(BlockRequest::id).toList());
    }
  }

  @Test
  void whatALoserHasNotSubmittedIsDropped() {
    Medium medium = new Medium();
    AtomicReference<WritePermit.Answer> answer = new AtomicReference<>(WritePermit.Answer.HOLD);
    try (DiskBridge bridge =
        new DiskBridge(0, medium, _ -> true, () -> Objects.requireNonNull(answer.get()))) {
      bridge.request(write(1));
      answer.set(WritePermit.Answer.DROP);
      bridge.permitChanged();
      assertEquals(0, bridge.waiting());
      assertEquals(List.of(), medium.inFlight);
    }
  }

  @Test
  void writeThatTheMediumDidNotStartIsAskedForAgainAndTheGuestHearsOfNothing() {
    Medium medium = new Medium();
    List<ExternalInput> inbox = new ArrayList<>();
    AtomicReference<WritePermit.Answer> answer = new AtomicReference<>(WritePermit.Answer.START);
    try (DiskBridge bridge =
        new DiskBridge(0, medium, inbox::add, () -> Objects.requireNonNull(answer.get()))) {
      assertEquals(WritePermit.Answer.START, medium.permit.now(), "the medium asks the same one");
      bridge.request(write(1));
      answer.set(WritePermit.Answer.HOLD);
      medium.complete(new BlockResult.NotStarted(1));
      assertEquals(List.of(), inbox);
      assertEquals(1, bridge.waiting());
      answer.set(WritePermit.Answer.START);
      bridge.permitChanged();
      assertEquals(List.of(write(1)), medium.inFlight);
    }
  }

  @Test
  void moreThanAGuestMayHaveUnansweredIsABug() {
    Medium medium = new Medium();
    try (DiskBridge bridge = new DiskBridge(0, medium, _ -> true, () -> WritePermit.Answer.HOLD)) {
      for (int i = 0; i < BlockRequest.MAX_UNANSWERED; i++) {
        bridge.request(write(i));
      }
      assertThrows(IllegalStateException.class, () -> bridge.request(write(-1)));
    }
  }
}
