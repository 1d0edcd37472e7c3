package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import lockstep.monitor.block.BlockRequest;
import lockstep.sys.HostScheduler;
import org.junit.jupiter.api.Test;

/** What leaves the gate, and when. */
class OutputGateTest {
  private long nowNanos = 1_000;
  private final OutputGate gate =
      new OutputGate(
          OutputGate.Mode.FREE,
          8,
          new HostScheduler() {
            /** Of another origin: a lease that is measured by it never begins, or never ends. */
            @Override
            public long nanoTime() {
              return nowNanos + 1_000_000_000_000L;
            }

            @Override
            public long steadyNanos() {
              return nowNanos;
            }
          });

  private void put(int value, long position) throws InterruptedException {
    gate.put(new Output.Console(value), position);
  }

  @Test
  void nothingLeavesBeforeItIsAcknowledged() throws Exception {
    gate.mode(OutputGate.Mode.GATED);
    gate.leaseUntil(2_000);
    put('a', 5);
    gate.acknowledged(4);
    assertNull(gate.poll());
    gate.acknowledged(5);
    assertEquals(new Output.Console('a'), gate.poll());
  }

  @Test
  void nothingLeavesBeforeTheFirstLeaseNorAfterTheLast() throws Exception {
    gate.mode(OutputGate.Mode.GATED);
    put('a', 0);
    assertNull(gate.poll(), "no lease yet");
    gate.leaseUntil(2_000);
    nowNanos = 2_000;
    assertNull(gate.poll(), "the lease has run out");
    gate.leaseUntil(3_000);
    assertNotNull(gate.poll());
  }

  @Test
  void anEarlierLeaseDoesNotShortenALaterOne() throws Exception {
    gate.mode(OutputGate.Mode.GATED);
    gate.leaseUntil(3_000);
    gate.leaseUntil(2_000);
    nowNanos = 2_500;
    put('a', 0);
    assertNotNull(gate.poll());
  }

  @Test
  void theBackupForgetsWhatThePrimaryHasShownAlsoBeforeItGotThere() throws Exception {
    gate.mode(OutputGate.Mode.HOLDING);
    put('a', 0);
    gate.forget(3);
    put('b', 0);
    put('c', 0);
    put('d', 0);
    gate.mode(OutputGate.Mode.FREE);
    assertEquals(3, gate.consoleReleased());
    assertEquals(new Output.Console('d'), gate.poll());
    assertNull(gate.poll());
  }

  /**
   * A guest that has gone live is quicker than the news of it: its first write must not be lost.
   */
  @Test
  void whatAGuestAsksOfItsDiskBeforeItsGateOpensIsKeptInOrder() throws Exception {
    Output.Disk write = new Output.Disk(new BlockRequest.Flush(7));
    gate.follow();
    put('a', 0);
    gate.forget(1);
    gate.put(write, 0);
    put('b', 0);
    gate.forget(2);
    assertNull(gate.poll());
    gate.mode(OutputGate.Mode.FREE);
    assertEquals(write, gate.poll());
    assertEquals(new Output.Console('b'), gate.poll());
    assertEquals(2, gate.consoleReleased());
  }

  @Test
  void aLostSideShowsNothingAnyMore() throws Exception {
    put('a', 0);
    gate.mode(OutputGate.Mode.DEAD);
    gate.mode(OutputGate.Mode.FREE);
    put('b', 0);
    assertNull(gate.poll());
    assertEquals(0, gate.waiting());
  }
}
