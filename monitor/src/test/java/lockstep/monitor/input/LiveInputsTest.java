package lockstep.monitor.input;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicInteger;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.ExternalInput.TimerExpiry;
import lockstep.monitor.input.InputSource.Action;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

class LiveInputsTest {
  private final InputQueue queue = new InputQueue();
  private long wakeAt = Long.MAX_VALUE;
  private final LiveInputs inputs = new LiveInputs(new HostInputs(queue, 2, 0, at -> wakeAt = at));
  private final Position position = new Position();

  @Test
  void aRunningGuestWithNothingPendingRuns() throws Exception {
    assertEquals(Action.RUN, inputs.next(position));
  }

  @Test
  void queuedInputsAreAppliedInOrderBeforeAnythingElse() throws Exception {
    position.pending = true;
    position.canTake = true;
    queue.offer(new ConsoleBytes(Bytes.copyOf(new byte[] {1})));
    queue.offer(new ConsoleBytes(Bytes.copyOf(new byte[] {2})));

    assertEquals(Action.APPLY, inputs.next(position));
    assertEquals(new ConsoleBytes(Bytes.copyOf(new byte[] {1})), inputs.input());
    assertEquals(Action.APPLY, inputs.next(position));
    assertEquals(new ConsoleBytes(Bytes.copyOf(new byte[] {2})), inputs.input());
    assertEquals(Action.DELIVER, inputs.next(position));
  }

  @Test
  void anInterruptTheGuestCannotTakeYetOpensTheWindow() throws Exception {
    position.pending = true;
    assertEquals(Action.RUN_TO_WINDOW, inputs.next(position));
    position.canTake = true;
    assertEquals(Action.DELIVER, inputs.next(position));
  }

  @Test
  void anInterruptWaitsForAnInstructionThatEndsInAnException() throws Exception {
    position.pending = true;
    position.canTake = true;
    position.endsInException = true;
    assertEquals(Action.RUN_TO_WINDOW, inputs.next(position));
    position.endsInException = false;
    position.canTake = true;
    assertEquals(Action.DELIVER, inputs.next(position));
    assertEquals(2, position.completed);
  }

  @Test
  void aTimerExpiresOnceAndNotBeforeItsDeadline() throws Exception {
    inputs.armTimer(1, inputs.nowNanos() + 2_000_000);
    long deadline = wakeAt;
    assertEquals(Action.RUN, inputs.next(position));
    while (System.nanoTime() < deadline) {
      Thread.onSpinWait();
    }
    assertEquals(Action.APPLY, inputs.next(position));
    TimerExpiry expiry = assertInstanceOf(TimerExpiry.class, inputs.input());
    assertEquals(1, expiry.timer());
    assertTrue(expiry.nowNanos() <= inputs.nowNanos());
    assertEquals(Action.RUN, inputs.next(position));
  }

  @Test
  void aHaltedGuestWaitsForItsTimerAndIsNotEntered() throws Exception {
    position.halted = true;
    long deadline = inputs.nowNanos() + 20_000_000;
    inputs.armTimer(0, deadline);
    int waits = 0;
    Action action = inputs.next(position);
    while (action == Action.WAIT) {
      waits++;
      action = inputs.next(position);
    }
    assertEquals(Action.APPLY, action);
    assertTrue(inputs.nowNanos() >= deadline, "came back early");
    assertTrue(waits < 20, waits + " waits: it burns CPU");
  }

  @Test
  void aSlowClockShowsAndArmsGuestTime() throws Exception {
    int slowdown = 100;
    HostInputs slow = new HostInputs(queue, 1, 1_000, at -> wakeAt = at, slowdown);
    long host = System.nanoTime();
    long guest = slow.nowNanos();
    Thread.sleep(20);
    long passed = slow.nowNanos() - guest;
    assertTrue(passed <= (System.nanoTime() - host) / slowdown + 1, passed + " ns");
    assertTrue(passed >= 20_000_000 / slowdown, passed + " ns");
    // 1 ms of the guest's is 100 ms of the host's.
    long before = System.nanoTime();
    slow.armTimer(0, slow.nowNanos() + 1_000_000);
    long after = System.nanoTime();
    assertTrue(wakeAt - before >= 100_000_000 - slowdown, wakeAt - before + " ns");
    assertTrue(wakeAt - after <= 100_000_000, wakeAt - after + " ns");
  }

  @Test
  void aSwitchedOffTimerNeverExpires() throws Exception {
    inputs.armTimer(0, inputs.nowNanos());
    inputs.armTimer(0, TimerPort.NEVER);
    assertEquals(Long.MAX_VALUE, wakeAt);
    assertEquals(Action.RUN, inputs.next(position));
  }

  @Test
  void anInterruptedVcpuThreadLeavesHlt() {
    position.halted = true;
    Thread.currentThread().interrupt();
    assertThrows(InterruptedException.class, () -> inputs.next(position));
  }

  @Test
  void aFullQueueRefusesAndLosesNothing() throws Exception {
    AtomicInteger wakes = new AtomicInteger();
    queue.wakeWith(wakes::incrementAndGet);
    for (int i = 0; i < InputQueue.CAPACITY; i++) {
      assertTrue(queue.offer(new TimerExpiry(i, 0)));
    }
    assertFalse(queue.offer(new TimerExpiry(-1, 0)));
    assertEquals(InputQueue.CAPACITY, wakes.get());
    for (int i = 0; i < InputQueue.CAPACITY; i++) {
      assertEquals(Action.APPLY, inputs.next(position));
      assertEquals(new TimerExpiry(i, 0), inputs.input());
    }
    assertTrue(queue.offer(new TimerExpiry(0, 0)));
  }

  /** A console that takes what is typed at its own pace. */
  private static final class SlowConsole implements ConsoleLine {
    private boolean takesMore = true;
    private long appliedBytes = 100;

    @Override
    public boolean takesMore() {
      return takesMore;
    }

    @Override
    public long appliedBytes() {
      return appliedBytes;
    }
  }

  @Test
  void typedBytesWaitUntilTheOnesBeforeAreApplied() throws Exception {
    SlowConsole console = new SlowConsole();
    ConsoleBytes three = new ConsoleBytes(Bytes.copyOf(new byte[3]));
    assertTrue(queue.offer(three), "before there is a machine");
    queue.consoleTo(console);
    assertFalse(queue.offer(three), "three are on their way");
    assertTrue(queue.offer(new TimerExpiry(0, 0)), "only the console waits");
    console.appliedBytes += 3;
    assertTrue(queue.offer(three));
    assertEquals(Action.APPLY, inputs.next(position));
    assertEquals(three, inputs.input());
    console.appliedBytes += 3;
    console.takesMore = false;
    assertFalse(queue.offer(three), "no room");
    console.takesMore = true;
    assertTrue(queue.offer(three));
  }

  @Test
  void theClockNeverGoesBackAndContinuesFromItsStart() {
    LiveInputs restored = new LiveInputs(new HostInputs(queue, 1, 1_000_000_000_000L, at -> {}));
    long last = restored.nowNanos();
    assertTrue(last >= 1_000_000_000_000L);
    for (int i = 0; i < 10_000; i++) {
      long now = restored.nowNanos();
      assertTrue(now >= last);
      last = now;
    }
  }

  private static final class Position implements VcpuPosition {
    boolean halted;
    boolean pending;
    boolean canTake;
    boolean endsInException;
    int completed;

    @Override
    public long guestExits() {
      return 0;
    }

    @Override
    public Stop stop() {
      return Stop.GUEST_EXIT;
    }

    @Override
    public boolean halted() {
      return halted;
    }

    @Override
    public boolean interruptPending() {
      return pending;
    }

    @Override
    public boolean canTakeInterrupt() {
      return canTake;
    }

    @Override
    public boolean interruptsEnabled() {
      return canTake;
    }

    @Override
    public void completeInstruction() {
      completed++;
      canTake &= !endsInException;
    }

    @Override
    public boolean ended() {
      return false;
    }

    @Override
    public void readRegisters(long[] values) {
      throw new AssertionError("a live source looks at no registers");
    }

    @Override
    public boolean inKernelMode() {
      throw new AssertionError("a live source looks at no registers");
    }

    @Override
    public boolean canStep() {
      throw new AssertionError("a live source makes no steps");
    }

    @Override
    public StoppedMachine machine() {
      throw new AssertionError("a live source looks at no state");
    }
  }
}
