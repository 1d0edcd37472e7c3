package lockstep.replay.record;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource.Action;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.input.VcpuPosition.Stop;
import lockstep.replay.log.EntrySink;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.replay.placement.StandingVcpu;
import org.junit.jupiter.api.Test;

/** How long an interrupt waits for an exit at which the guest can take it. */
class InputDelayTest {
  private final StandingVcpu at = new StandingVcpu(0);
  private final List<LogEntry> entries = new ArrayList<>();

  private Recorder recorder(long maxInputDelayNanos) throws Exception {
    at.machine =
        Optional.of(
            (StoppedMachine)
                Proxy.newProxyInstance(
                    StoppedMachine.class.getClassLoader(),
                    new Class<?>[] {StoppedMachine.class},
                    (proxy, method, arguments) ->
                        method.getReturnType() == byte[].class ? new byte[] {1} : null));
    EntrySink log =
        new EntrySink() {
          @Override
          public void clock(long nanos) {
            entries.add(new LogEntry.Clock(nanos));
          }

          @Override
          public void append(LogEntry entry) {
            entries.add(entry);
          }
        };
    Recorder recorder =
        new Recorder(
            new HostInputs(new InputQueue(), Recorder.TIMERS, 0, wake -> {}),
            0,
            log,
            () -> {},
            new RecordOptions(
                StepReach.NONE, 10, true, maxInputDelayNanos, 1_000_000_000_000L, 1_000_000));
    assertEquals(Action.RUN, recorder.next(at));
    return recorder;
  }

  /**
   * The expiry of the bound is seen at an exit with interrupts off, and never again: a guest that
   * makes no more exits would not get its interrupt at all.
   */
  @Test
  void anInterruptThatIsOverdueAtAnExitNeedsNoOtherExit() throws Exception {
    Recorder recorder = recorder(0);
    at.pending = true;
    at.stop = Stop.GUEST_EXIT;
    assertEquals(Action.RUN_TO_WINDOW, recorder.next(at));
    at.stop = Stop.HOST;
    at.canTake = true;
    assertEquals(Action.DELIVER, recorder.next(at));
    assertInstanceOf(
        ExecutionPoint.StateSync.class,
        assertInstanceOf(LogEntry.Point.class, entries.getLast()).at());
  }

  @Test
  void anInterruptThatCanStillWaitCostsNoStop() throws Exception {
    Recorder recorder = recorder(TimeUnit.HOURS.toNanos(1));
    at.pending = true;
    at.stop = Stop.GUEST_EXIT;
    assertEquals(Action.RUN, recorder.next(at));
    at.canTake = true;
    assertEquals(Action.DELIVER, recorder.next(at));
    assertInstanceOf(
        ExecutionPoint.AtExit.class,
        assertInstanceOf(LogEntry.Point.class, entries.getLast()).at());
  }
}
