package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.peer.VitalLoop;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.SessionFixture;
import lockstep.sys.HostScheduler;
import lockstep.sys.Scheduler;
import org.junit.jupiter.api.Test;

/** An Error on a thread of the node ends the process, also where a future would keep it. */
class VitalThreadsTest {
  private static final InetSocketAddress THERE = InetSocketAddress.createUnresolved("there", 7);

  private static final long LIMIT_SECONDS = 60;

  private static NodeFixture side() {
    return new NodeFixture(FtSession.primary("web", SessionFixture.VM, NodeFixture.TIMES));
  }

  @Test
  void errorOfTheDiskIsTheEndOfThisSide() throws Exception {
    try (NodeFixture side = side()) {
      side.failAt("enter");
      assertThrows(IOException.class, () -> side.node.protect(THERE));
      assertEquals(List.of("arbiter: planted at enter"), side.failed());
    }
  }

  @Test
  void errorOfTheDiskAtTheEndIsTheEndOfThisSide() throws Exception {
    try (NodeFixture side = side()) {
      side.failAt("part");
      Claimant self = new Claimant(SessionFixture.VM, 1, Claimant.Side.BACKUP);
      assertThrows(IOException.class, () -> side.node.left(self, false));
      assertEquals(List.of("arbiter: planted at part"), side.failed());
    }
  }

  /** What the disk merely refuses is the user's to know. */
  @Test
  void refusalOfTheDiskIsNone() throws Exception {
    try (NodeFixture side = side()) {
      side.node.protect(THERE);
      side.await(FtState.PAIRING);
      assertThrows(IOException.class, () -> side.node.protect(THERE));
      assertEquals(List.of(), side.failed());
    }
  }

  @Test
  void errorWhenTheConnectionStandsIsTheEndOfThisSide() throws Exception {
    try (NodeFixture side = side()) {
      side.failAt("send");
      side.node.protect(THERE);
      side.node.settle();
      assertEquals(List.of("peer-loop: planted at send"), side.failed());
    }
  }

  /** As after {@code protect}: what the user reads is no internal error. */
  @Test
  void loopThatDoesNotAnswerIsToldInOneLine() throws Exception {
    CountDownLatch over = new CountDownLatch(1);
    ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();
    try (NodeFixture side = side();
        DiskDecisions disk = new DiskDecisions(Scheduler.HOST, side.disk())) {
      VitalLoop loop = new VitalLoop(Scheduler.HOST, thread);
      Future<?> unused = thread.submit(() -> over.await(LIMIT_SECONDS, TimeUnit.SECONDS));
      IOException told =
          assertThrows(
              IOException.class,
              () ->
                  disk.call(
                      () -> {
                        loop.settle(100_000_000);
                        return null;
                      }));
      assertEquals(
          "thread peer-loop has not answered for 0.1 s; lockstep status shows what becomes of it",
          told.getMessage());
    } finally {
      over.countDown();
      thread.shutdownNow();
    }
  }

  /** As a connection that has closed is looked at again: nobody asks such a timer what it did. */
  @Test
  void errorOfATimerOfTheLoopIsTheEndOfThisSide() throws Exception {
    BlockingQueue<String> failed = new LinkedBlockingQueue<>();
    HostScheduler host =
        new HostScheduler() {
          @Override
          public void failStop(String thread, Throwable cause) {
            failed.add(thread + ": " + cause.getMessage());
          }
        };
    ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();
    try {
      VitalLoop loop = new VitalLoop(host, thread);
      ScheduledFuture<?> once =
          loop.later(
              () -> {
                throw new StackOverflowError("planted once");
              },
              1);
      assertEquals("peer-loop: planted once", failed.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
      assertThrows(ExecutionException.class, once::get);
      ScheduledFuture<?> often =
          loop.every(
              () -> {
                throw new IllegalStateException("planted often");
              },
              1);
      assertEquals("peer-loop: planted often", failed.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
      assertThrows(ExecutionException.class, often::get);
    } finally {
      thread.shutdownNow();
    }
  }
}
