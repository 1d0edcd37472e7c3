package lockstep.replay.ft.output;

import static lockstep.replay.ft.output.Output.Kind.CONSOLE;
import static lockstep.replay.ft.output.Output.Kind.DISK;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.block.WritePermit;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.sys.HostScheduler;
import org.junit.jupiter.api.Test;

/** What leaves the gate, and when. */
class OutputGateTest {
  private static final int CAPACITY = 8;

  private long nowNanos = 1_000;
  private final OutputGate gate =
      new OutputGate(
          GateMode.FREE,
          CAPACITY,
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
    gate.mode(GateMode.GATED);
    gate.leaseUntil(2_000);
    put('a', 5);
    gate.acknowledged(4);
    assertNull(gate.poll(CONSOLE));
    gate.acknowledged(5);
    assertEquals(new Output.Console('a'), gate.poll(CONSOLE));
  }

  @Test
  void nothingLeavesBeforeTheFirstLeaseNorAfterTheLast() throws Exception {
    gate.mode(GateMode.GATED);
    put('a', 0);
    assertNull(gate.poll(CONSOLE), "no lease yet");
    gate.leaseUntil(2_000);
    nowNanos = 2_000;
    assertNull(gate.poll(CONSOLE), "the lease has run out");
    gate.leaseUntil(3_000);
    assertNotNull(gate.poll(CONSOLE));
  }

  @Test
  void anEarlierLeaseDoesNotShortenALaterOne() throws Exception {
    gate.mode(GateMode.GATED);
    gate.leaseUntil(3_000);
    gate.leaseUntil(2_000);
    nowNanos = 2_500;
    put('a', 0);
    assertNotNull(gate.poll(CONSOLE));
  }

  @Test
  void theBackupForgetsWhatThePrimaryHasShownAlsoBeforeItGotThere() throws Exception {
    gate.mode(GateMode.HOLDING);
    put('a', 0);
    gate.forget(3);
    put('b', 0);
    put('c', 0);
    put('d', 0);
    gate.mode(GateMode.FREE);
    assertEquals(3, gate.consoleReleased());
    assertEquals(new Output.Console('d'), gate.poll(CONSOLE));
    assertNull(gate.poll(CONSOLE));
  }

  /**
   * A guest that has gone live is quicker than the news of it: its first write must not be lost.
   */
  @Test
  void whatAGuestAsksOfItsDiskBeforeItsGateOpensIsKept() throws Exception {
    Output.Disk write = new Output.Disk(0, new BlockRequest.Flush(7));
    gate.follow();
    put('a', 0);
    gate.forget(1);
    gate.put(write, 0);
    put('b', 0);
    gate.forget(2);
    put('c', 0);
    assertNull(gate.poll(DISK));
    gate.mode(GateMode.FREE);
    assertEquals(write, gate.poll(DISK));
    assertEquals(new Output.Console('c'), gate.poll(CONSOLE));
    assertEquals(3, gate.consoleReleased());
  }

  /** Nothing takes the console bytes; the write that comes after them leaves all the same. */
  @Test
  void aFullConsoleHoldsBackNoRequest() throws Exception {
    for (int i = 0; i < CAPACITY; i++) {
      put('a', 0);
    }
    for (int i = 0; i < DiskRequest.MAX_UNANSWERED; i++) {
      gate.put(new Output.Disk(0, new BlockRequest.Flush(i)), 0);
    }
    for (int i = 0; i < DiskRequest.MAX_UNANSWERED; i++) {
      assertEquals(new Output.Disk(0, new BlockRequest.Flush(i)), gate.poll(DISK));
    }
    assertEquals(0, gate.consoleReleased(), "requests are not counted as shown");
    assertEquals(CAPACITY, gate.waiting(CONSOLE));
  }

  @Test
  void whatHasLeftMayReachTheDiskOnlyWhileThisSideIsTheVm() {
    int[] told = {0};
    gate.onChange(() -> told[0]++);
    assertEquals(WritePermit.Answer.START, gate.writes());
    gate.mode(GateMode.GATED);
    assertEquals(WritePermit.Answer.HOLD, gate.writes(), "no lease yet");
    gate.leaseUntil(2_000);
    assertEquals(WritePermit.Answer.START, gate.writes());
    nowNanos = 2_000;
    assertEquals(WritePermit.Answer.HOLD, gate.writes(), "the lease has run out");
    gate.leaseUntil(3_000);
    assertEquals(WritePermit.Answer.START, gate.writes());
    gate.mode(GateMode.CLOSED);
    assertEquals(WritePermit.Answer.HOLD, gate.writes());
    gate.mode(GateMode.DEAD);
    assertEquals(WritePermit.Answer.DROP, gate.writes());
    assertEquals(5, told[0]);
    gate.follow();
    assertEquals(WritePermit.Answer.DROP, gate.writes(), "dead is for ever");
  }

  @Test
  void aMomentIsKeptWhenItIsAcknowledgedOrThisSideIsAlone() throws Exception {
    gate.mode(GateMode.GATED);
    OutputGate.Point moment = gate.point(5);
    gate.leaseUntil(2_000);
    gate.acknowledged(4);
    assertFalse(gate.awaitKept(moment, 0), "not acknowledged");
    gate.acknowledged(5);
    assertTrue(gate.awaitKept(moment, 0));
    assertFalse(gate.awaitKept(moment.next(), 0), "the next entry is not acknowledged");
    nowNanos = 2_000;
    assertFalse(gate.awaitKept(moment, 0), "no lease");
    gate.mode(GateMode.CLOSED);
    assertFalse(gate.awaitKept(moment, 0), "nobody knows");
    gate.mode(GateMode.FREE);
    assertTrue(gate.awaitKept(moment, 0), "alone");
    gate.restart();
    gate.mode(GateMode.GATED);
    gate.leaseUntil(9_000);
    assertTrue(gate.awaitKept(moment, 0), "alone, before the log that runs now");
    gate.mode(GateMode.DEAD);
    assertFalse(gate.awaitKept(moment, 0), "lost");
  }

  @Test
  void aLostSideShowsNothingAnyMore() throws Exception {
    put('a', 0);
    gate.mode(GateMode.DEAD);
    gate.mode(GateMode.FREE);
    put('b', 0);
    assertNull(gate.poll(CONSOLE));
    assertEquals(0, gate.waiting());
  }
}
