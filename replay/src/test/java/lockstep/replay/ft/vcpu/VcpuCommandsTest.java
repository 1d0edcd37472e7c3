package lockstep.replay.ft.vcpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Future;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.VcpuCommands.Order;
import lockstep.replay.ft.vcpu.VcpuCommands.State;
import org.junit.jupiter.api.Test;

/** The commands of a vCPU thread, without a machine. */
class VcpuCommandsTest {
  private final InputQueue queue = new InputQueue();
  private final VcpuCommands commands = new VcpuCommands(queue);
  private final HostInputs inputs = new HostInputs(queue, 1, 0, _ -> {});
  private final List<String> done = new ArrayList<>();

  @Test
  void aPauseHoldsTheGuestAndNoTask() throws Exception {
    commands.run();
    commands.pause();
    assertEquals(State.PAUSED, commands.state());
    assertEquals(Order.WAIT, commands.order());
    commands.ask(() -> done.add("task"));
    assertEquals(Order.LEAVE, commands.order());
    assertEquals(Optional.empty(), commands.runTasks());
    assertEquals(List.of("task"), done);
    assertEquals(Order.WAIT, commands.order());
    commands.resume();
    assertEquals(Order.RUN, commands.order());
  }

  /** What stops the machine for a while is no input; what ends it is one, and only once. */
  @Test
  void onlyAStopIsAnInput() throws Exception {
    commands.run();
    commands.ask(() -> done.add("task"));
    Future<Optional<RunResult>> look = commands.inspect(Optional::empty);
    assertEquals(null, inputs.due());
    assertEquals(Optional.empty(), commands.runTasks());
    assertEquals(Optional.empty(), look.get());
    assertEquals(null, inputs.due());
    commands.stop();
    assertEquals(State.STOPS, commands.state());
    assertEquals(new ExternalInput.HostDecision(ExternalInput.Decision.STOP), inputs.due());
    assertEquals(null, inputs.due());
  }

  @Test
  void aStopEndsAPauseAndWaitsForNoQueue() {
    commands.run();
    for (int i = 0; i < InputQueue.CAPACITY; i++) {
      assertTrue(queue.offer(new ExternalInput.TimerExpiry(0, i)));
    }
    commands.pause();
    commands.stop();
    assertFalse(commands.isPaused());
    assertEquals(Order.RUN, commands.order());
    assertEquals(new ExternalInput.HostDecision(ExternalInput.Decision.STOP), inputs.due());
  }

  @Test
  void aHaltIsBeforeAllElseAndForGood() throws Exception {
    commands.run();
    commands.ask(
        () -> {
          done.add("first");
          commands.halt("lost");
        });
    commands.ask(() -> done.add("second"));
    assertEquals(Optional.empty(), commands.runTasks());
    assertEquals(List.of("first"), done);
    commands.stop();
    commands.pause();
    assertEquals(State.HALTS, commands.state());
    assertEquals(Order.LEAVE, commands.order());
    assertEquals(Optional.of("lost"), commands.halted());
  }

  /** A backup's machine follows its log: nothing else may come between. */
  @Test
  void aMachineThatIsNotLiveIsAskedNothing() throws Exception {
    commands.pause();
    commands.ask(() -> done.add("task"));
    assertEquals(Order.RUN, commands.order());
    assertTrue(commands.inspect(Optional::empty).isCancelled());
    commands.run();
    assertEquals(Order.LEAVE, commands.order());
    Future<Optional<RunResult>> look = commands.inspect(Optional::empty);
    commands.leave();
    assertTrue(look.isCancelled());
    assertEquals(State.NOT_LIVE, commands.state());
    assertEquals(Optional.empty(), commands.runTasks());
    assertEquals(List.of(), done);
  }

  @Test
  void aLookThatFailsIsItsAskersMatterAndATaskThatFailsIsNot() throws Exception {
    commands.run();
    Future<Optional<RunResult>> look =
        commands.inspect(
            () -> {
              throw new IOException("full");
            });
    assertEquals(Optional.empty(), commands.runTasks());
    assertEquals(Future.State.FAILED, look.state());
    commands.ask(
        () -> {
          throw new IOException("gone");
        });
    assertThrows(IOException.class, commands::runTasks);
  }

  @Test
  void aGuestThatEndsInALookIsOver() throws Exception {
    commands.run();
    Future<Optional<RunResult>> unused =
        commands.inspect(() -> Optional.of(new RunResult.ExitPort(7)));
    commands.ask(() -> done.add("task"));
    assertEquals(Optional.of(new RunResult.ExitPort(7)), commands.runTasks());
    assertEquals(List.of(), done);
  }

  /** A pair waits for a task as it waits for the guest; how long a look takes is its asker's. */
  @Test
  void aThreadMustComeByInATaskAndNotInALook() throws Exception {
    List<Boolean> must = new ArrayList<>();
    commands.run();
    commands.inRun(true);
    commands.ask(
        () -> {
          must.add(commands.mustMove());
          long before = commands.moves();
          commands.comesBy();
          must.add(commands.moves() != before);
        });
    Future<Optional<RunResult>> look =
        commands.inspect(
            () -> {
              must.add(commands.mustMove());
              return Optional.empty();
            });
    assertEquals(Optional.empty(), commands.runTasks());
    assertEquals(Optional.empty(), look.get());
    assertEquals(List.of(true, true, false), must);
    assertTrue(commands.mustMove(), "after the look");
    commands.inRun(false);
    assertFalse(commands.mustMove());
  }
}
