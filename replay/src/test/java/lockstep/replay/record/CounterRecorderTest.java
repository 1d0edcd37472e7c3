package lockstep.replay.record;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource.Action;
import lockstep.monitor.input.InputSource.GuestExit;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.EntrySink;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.replay.placement.InstructionCounter;
import lockstep.replay.placement.StandingVcpu;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CounterRecorderTest {
  private static final long MARGIN = 100;
  private static final ExternalInput TYPED =
      new ExternalInput.ConsoleBytes(Bytes.copyOf(new byte[] {1}));

  private final InputQueue queue = new InputQueue();
  private final StandingVcpu at = new StandingVcpu(MARGIN);
  private final Log log = new Log();
  private final Recorder recorder =
      new Recorder(
          new HostInputs(queue, Recorder.TIMERS, 0, wake -> {}),
          0,
          log,
          () -> {},
          new RecordOptions(StepReach.KERNEL, 10, false, 50_000_000, 1_000_000_000_000L, 1_000_000),
          at);

  @BeforeEach
  void startTheGuest() throws Exception {
    assertEquals(Action.RUN, recorder.next(at));
  }

  private Action hostStop(long count) throws Exception {
    at.stop = VcpuPosition.Stop.HOST;
    at.count = count;
    return recorder.next(at);
  }

  private ExecutionPoint lastPoint() {
    return assertInstanceOf(LogEntry.Point.class, log.entries.getLast()).at();
  }

  @Test
  void anInputAtAHostStopIsAppliedThereAndNotLater() throws Exception {
    queue.offer(TYPED);
    assertEquals(Action.APPLY, hostStop(1234));
    assertEquals(TYPED, recorder.input());
    assertEquals(
        1234,
        assertInstanceOf(
                ExecutionPoint.Counter.class,
                assertInstanceOf(LogEntry.Point.class, log.entries.getFirst()).at())
            .count());
    at.pending = true;
    assertEquals(Action.RUN_TO_WINDOW, recorder.next(at));
    assertEquals(2, log.entries.size(), "a host stop without an input is no entry");
  }

  @Test
  void aWindowThatOpensBetweenExitsIsNamedAndDeliveredInto() throws Exception {
    at.pending = true;
    assertEquals(Action.RUN_TO_WINDOW, hostStop(10));
    at.canTake = true;
    assertEquals(Action.DELIVER, hostStop(20));
    assertEquals(20, assertInstanceOf(ExecutionPoint.Counter.class, lastPoint()).count());
  }

  @Test
  void aHostStopThatAReplayWouldHaveToReachByStepsThroughADeliveryIsNotNamed() throws Exception {
    at.pending = true;
    at.canTake = true;
    assertEquals(Action.DELIVER, hostStop(1000));
    recorder.delivered(32);
    at.pending = false;
    at.canTake = false;
    assertEquals(Action.RUN, recorder.next(at));
    int entries = log.entries.size();
    queue.offer(TYPED);
    assertEquals(Action.RUN, hostStop(1000 + MARGIN));
    assertEquals(entries, log.entries.size());
    assertEquals(Action.APPLY, hostStop(1000 + MARGIN + 1));

    recorder.guestExit(GuestExit.PORT_OUT, 0x20, 1, 0x20);
    at.stop = VcpuPosition.Stop.GUEST_EXIT;
    assertEquals(Action.RUN, recorder.next(at));
    queue.offer(TYPED);
    assertEquals(Action.APPLY, hostStop(0), "the exit after the delivery is a start of its own");
  }

  @Test
  void aCountThatIsNotExactNamesNothing() throws Exception {
    queue.offer(TYPED);
    assertEquals(Action.RUN, hostStop(InstructionCounter.INEXACT));
    assertTrue(log.entries.isEmpty());
    at.stop = VcpuPosition.Stop.GUEST_EXIT;
    assertEquals(Action.APPLY, recorder.next(at), "it waits for the next exit");
  }

  private static final class Log implements EntrySink {
    final List<LogEntry> entries = new ArrayList<>();

    @Override
    public void clock(long nanos) {
      entries.add(new LogEntry.Clock(nanos));
    }

    @Override
    public void append(LogEntry entry) {
      entries.add(entry);
    }
  }
}
