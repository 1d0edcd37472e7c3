package lockstep.monitor.host;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class KickTimerTest {
  private static final long BOUND_SECONDS = 10;

  @Test
  void kicksOnceAtTheDeadlineAndNotBefore() throws InterruptedException {
    CountDownLatch kicked = new CountDownLatch(1);
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(20);
    try (KickTimer timer = new KickTimer(kicked::countDown)) {
      timer.wakeAt(deadline);
      assertTrue(kicked.await(BOUND_SECONDS, TimeUnit.SECONDS), "never kicked");
      assertTrue(System.nanoTime() >= deadline, "kicked early");
    }
  }

  @Test
  void anEarlierDeadlineReplacesALaterOne() throws InterruptedException {
    CountDownLatch kicked = new CountDownLatch(1);
    try (KickTimer timer = new KickTimer(kicked::countDown)) {
      timer.wakeAt(System.nanoTime() + TimeUnit.HOURS.toNanos(1));
      timer.wakeAt(System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(5));
      assertTrue(kicked.await(BOUND_SECONDS, TimeUnit.SECONDS), "waits for the old deadline");
    }
  }

  @Test
  void aWithdrawnDeadlineDoesNotKick() throws InterruptedException {
    AtomicInteger kicks = new AtomicInteger();
    CountDownLatch second = new CountDownLatch(1);
    try (KickTimer timer = new KickTimer(kicks::incrementAndGet)) {
      timer.wakeAt(System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(30));
      timer.wakeAt(Long.MAX_VALUE);
      assertFalse(second.await(60, TimeUnit.MILLISECONDS));
      assertTrue(kicks.get() == 0, "kicked for a withdrawn deadline");
    }
  }

  @Test
  void closingEndsTheThread() {
    KickTimer timer = new KickTimer(() -> {});
    timer.close();
    assertTrue(
        Thread.getAllStackTraces().keySet().stream()
            .noneMatch(thread -> thread.getName().equals("kick-timer") && thread.isAlive()),
        "a kick-timer thread is left");
  }
}
