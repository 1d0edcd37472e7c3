package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.sys.SysException;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The hazards of docs/determinism.md, each on a guest made for it (hazards.S): timer interrupts
 * come while one kind of instruction is executed again and again. The guest checks what the
 * architecture promises; the replay must have equal registers at every exit and an equal machine at
 * the end.
 */
@KvmRequired
class HazardTest {
  private static final Guest GUEST =
      new Guest(
          "hazards",
          "interrupts at the boundary of one kind of instruction",
          "/lockstep/guests/hazards.elf",
          Guest.Format.MULTIBOOT,
          8,
          "",
          Pattern.compile("^hazards: test [0-9]+, ticks [0-9]+, mix [0-9a-f]{16}, errors 0{16}\n$"),
          0);

  /** Ends a guest that waits for ever, and none that is slow. */
  private static final int LIVE_SECONDS = 300;

  /** What the guest waits for unless told otherwise. */
  private static final int TICKS = 40;

  /** The tests of hazards.S, by their numbers in its table. */
  private enum Hazard {
    PORTS(0, 3),
    WINDOW(1, 6),
    FLAGS(2, 12),
    SHADOWS(3, 4),
    CPUID(4, 3),
    REP(5, 3),
    MASKED(6, 3),
    TRAPS(7, 3),
    SYSCALL(8, 3),
    BREAK(9, 3),
    REFUSED(10, 3),
    FAULTS(11, 3),
    CLOCK(12, 3);

    private final int number;

    /**
     * How many steps behind an exit some of its interrupts are taken, at the least: where an
     * instruction may be stepped over, the steps lead through it.
     */
    private final int steps;

    Hazard(int number, int steps) {
      this.number = number;
      this.steps = steps;
    }
  }

  /**
   * Every exit's registers are in the log; steps may take all the time there is; what waits longer
   * than 10 ms goes by state-sync.
   */
  private static RecordOptions options(StepReach reach) {
    return new RecordOptions(
        reach,
        1,
        true,
        TimeUnit.MILLISECONDS.toNanos(10),
        RecordOptions.DEFAULT_MACHINE_DIGEST_NANOS,
        1);
  }

  /** The guest reads it with interrupts off, three instructions before it can take an interrupt. */
  private static final int SURE_PORT = 0x21;

  private static RecordedGuest guest(Hazard hazard) {
    return RecordedGuest.of(GUEST, "test=" + hazard.number);
  }

  private static InputSource ticksWhileMasked(InputSource real) {
    return new TicksWhileMasked(real, SURE_PORT);
  }

  private static RecordedGuest.Recording recordAndReplay(
      Hazard hazard, StepReach reach, UnaryOperator<InputSource> ticks) throws Exception {
    RecordedGuest guest = reach == StepReach.NONE ? guest(hazard) : guest(hazard).withoutKicks();
    RecordedGuest.Recording recording =
        guest.record(options(reach), RecordedGuest.NO_COUNTER, ticks);
    if (hazard == Hazard.TRAPS && recording.how() instanceof RunResult.Crashed crashed) {
      // A KVM that emulates kernel code may not know INT n (docs/host-kvm.md): it must say so.
      assertTrue(crashed.report().contains("cannot emulate"), crashed.report());
      assertTrue(crashed.report().contains("code at RIP: cd 80"), crashed.report());
    } else {
      assertEquals(new RunResult.ExitPort(0), recording.how(), recording.console());
      assertTrue(GUEST.passes(recording.console(), 0), recording.console());
      assertTrue(recording.count(LogEntry.Kind.DELIVERY) >= TICKS, recording.console());
    }
    RecordReplayTest.assertReplays(guest, recording);
    return recording;
  }

  private static long mostSteps(RecordedGuest.Recording recording) {
    long most = 0;
    for (LogEntry entry : recording.entries()) {
      if (entry instanceof LogEntry.Point point && point.at() instanceof ExecutionPoint.Step step) {
        most = Math.max(most, step.steps());
      }
    }
    return most;
  }

  /**
   * With the interrupt taken after single steps from an exit. Fails if a port or MMIO instruction
   * is not completed first (PORTS: string pointers), if TF leaks (FLAGS, TRAPS, SYSCALL), if a
   * shadow is cut short or a stepped HLT forgotten (SHADOWS), or if a step swallows an instruction
   * (CPUID) or cuts one short (REP).
   */
  @ParameterizedTest
  @EnumSource(Hazard.class)
  void anInterruptPlacedByStepsMeetsTheHazardUnseen(Hazard hazard) throws Exception {
    // By itself, whether a tick finds the guest with interrupts off, and whether there is time to
    // step, is the host's timing.
    RecordedGuest.Recording recording =
        recordAndReplay(hazard, StepReach.KERNEL, HazardTest::ticksWhileMasked);
    assertTrue(mostSteps(recording) >= hazard.steps, "at most " + mostSteps(recording) + " steps");
  }

  /**
   * Without steps: the interrupt waits for an exit at which the guest can take it, or goes by
   * state-sync where there is none. Fails if a point is inferred from an interrupt-window exit,
   * which comes late on some KVMs (WINDOW: the guest's counter would differ in the replay).
   */
  @ParameterizedTest
  @EnumSource(Hazard.class)
  void anInterruptPlacedWithoutStepsMeetsTheHazardUnseen(Hazard hazard) throws Exception {
    assertEquals(0, mostSteps(recordAndReplay(hazard, StepReach.NONE, UnaryOperator.identity())));
  }

  /**
   * Live, an interrupt that is due at an exit whose instruction ends in an exception waits for it.
   * Fails if it is queued before: then KVM drops it for the exception and the guest's clock stops
   * for ever, or it enters the exception's handler with interrupts off.
   */
  @ParameterizedTest
  @EnumSource(
      value = Hazard.class,
      names = {"REFUSED", "FAULTS"})
  void aLiveGuestLosesNoInterruptToAnException(Hazard hazard) throws Exception {
    LiveGuest.Outcome outcome =
        LiveGuest.run(
            GUEST, GUEST.memoryMib(), "test=%d ticks=200".formatted(hazard.number), LIVE_SECONDS);
    assertTrue(outcome.isRightFor(GUEST), outcome.toString());
  }

  /** The guest's checks are worth something: it notices an interrupt that it cannot take yet. */
  @Test
  void anInterruptForcedInIsSeenByTheGuest() throws Exception {
    RecordedGuest.Recording recording =
        guest(Hazard.MASKED)
            .record(
                options(StepReach.NONE),
                RecordedGuest.NO_COUNTER,
                real -> ticksWhileMasked(new ForcesInterrupts(real)));
    assertFalse(GUEST.passes(recording.console(), 0), recording.console());
  }

  /** Tells the source that the guest can take an interrupt anywhere. */
  private static final class ForcesInterrupts extends PassedOn {
    ForcesInterrupts(InputSource real) {
      super(real);
    }

    @Override
    public Action next(VcpuPosition position) throws InterruptedException, SysException {
      VcpuPosition eager =
          (VcpuPosition)
              Proxy.newProxyInstance(
                  VcpuPosition.class.getClassLoader(),
                  new Class<?>[] {VcpuPosition.class},
                  (proxy, method, arguments) ->
                      switch (method.getName()) {
                        case "interruptsEnabled", "canTakeInterrupt" -> true;
                        default -> method.invoke(position, arguments);
                      });
      return super.next(eager);
    }
  }
}
