package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.Optional;
import java.util.Random;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.MachineState;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.sys.SysException;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;

/**
 * Guests with timer and console interrupts, live, moved from machine to machine where it hurts:
 * with an interrupt delivered but not entered, in a loop without exits, in HLT, and with typed
 * bytes that wait in the queue. They must not notice.
 */
@KvmRequired
final class MovedLiveMachineTest {
  private static final int MOVES = 25;

  /** At least one move a this many stops of the vCPU. */
  private static final int MOST_QUESTIONS = 40;

  /** A bound for a guest that waits for an interrupt which got lost. */
  private static final int STUCK_MILLIS = 30_000;

  /** What the moves met; each must have been there at least once. */
  private int interruptsQueued;

  private int halted;
  private int inputsWaiting;

  /** Stops when the guest waits, right after a delivery, or at a chosen question. */
  private static final class StopSometimes implements InputSource {
    private final LiveInputs live;
    private final InputQueue queue;
    private final Random random;
    private int moves;
    private int untilStop;
    private boolean afterDelivery;

    StopSometimes(LiveInputs live, InputQueue queue, Random random, int moves) {
      this.live = live;
      this.queue = queue;
      this.random = random;
      this.moves = moves;
      this.untilStop = random.nextInt(1, MOST_QUESTIONS);
    }

    @Override
    public Action next(VcpuPosition position) throws InterruptedException, SysException {
      boolean idle = position.halted() && !position.interruptPending() && queue.waiting().isEmpty();
      boolean here = afterDelivery || idle;
      if (moves > 0 && (here || --untilStop <= 0)) {
        moves = 0;
        return Action.STOP;
      }
      Action action = live.next(position);
      afterDelivery = action == Action.DELIVER && random.nextBoolean();
      return action;
    }

    @Override
    public ExternalInput input() {
      return live.input();
    }

    @Override
    public void delivered(int vector) {
      live.delivered(vector);
    }

    @Override
    public void armTimer(int timer, long deadlineNanos) {
      live.armTimer(timer, deadlineNanos);
    }

    @Override
    public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
      live.guestExit(exit, address, sizeBytes, data);
    }

    @Override
    public long nowNanos() {
      return live.nowNanos();
    }

    @Override
    public Bytes entropy(int count) {
      return live.entropy(count);
    }
  }

  @Test
  void timerInterruptsGoOnInTheNextMachine() throws Exception {
    assertRightAfterMoves(Guests.find("ticks").orElseThrow());
    assertTrue(interruptsQueued > 0, "no move met a delivered interrupt");
  }

  @Test
  void typedBytesAndWaitingGuestsArriveInTheNextMachine() throws Exception {
    assertRightAfterMoves(Guests.find("echo").orElseThrow());
    assertTrue(halted > 0, "no move met a guest in HLT");
    assertTrue(inputsWaiting > 0, "no move met an input in the queue");
  }

  /** With these moves it did not end once, on a host of the lab with nothing else to do. */
  @Test
  void movesThatDidNotEndOnceEnd() throws Exception {
    assertRightAfterMoves(Guests.find("echo").orElseThrow(), 34_697_591_761L);
  }

  private void assertRightAfterMoves(Guest guest) throws Exception {
    assertRightAfterMoves(guest, System.nanoTime());
  }

  private void assertRightAfterMoves(Guest guest, long seed) throws Exception {
    System.out.println("MovedLiveMachineTest " + guest + " seed " + seed);
    Random random = new Random(seed);
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    String typed = guest.consoleInput();
    Optional<SavedMachine> from = Optional.empty();
    RunResult result = new RunResult.Stopped();
    int moves = 0;
    boolean idle = false;
    try (Kvm kvm = Kvm.open()) {
      while (result.equals(new RunResult.Stopped())) {
        Stage stage = new Stage(kvm, guest, console, random, MOVES - moves, from);
        try (stage.timer;
            stage.machine) {
          // Typed only when the guest waits for it, or in the last machine.
          int some = moves == MOVES ? typed.length() : idle && random.nextBoolean() ? 1 : 0;
          stage.type(typed.substring(0, some));
          typed = typed.substring(some);
          result = stage.run();
          if (result.equals(new RunResult.Stopped())) {
            moves++;
            int late = Math.min(typed.length(), random.nextInt(2));
            from = Optional.of(stage.save(typed.substring(0, late)));
            typed = typed.substring(late);
            idle = from.get().state().loop().halted() && late == 0 && !typed.isEmpty();
            note(from.get().state());
          }
        }
      }
    }
    System.out.println(
        "MovedLiveMachineTest %s: %d moves, %d with an interrupt queued, %d in HLT, %d with inputs"
            .formatted(guest, moves, interruptsQueued, halted, inputsWaiting));
    assertEquals(new RunResult.ExitPort(guest.exitCode()), result);
    assertTrue(
        guest.passes(console.toString(ISO_8859_1), guest.exitCode()), console.toString(ISO_8859_1));
  }

  private void note(MachineState state) {
    interruptsQueued += state.loop().interruptQueued() ? 1 : 0;
    halted += state.loop().halted() ? 1 : 0;
    inputsWaiting += state.inputs().pending().isEmpty() ? 0 : 1;
  }

  /** One of the machines that the guest passes through. */
  private static final class Stage {
    final InputQueue queue = new InputQueue();
    final KickTimer timer;
    final LiveInputs live;
    final Machine machine;
    private final VcpuHandle handle;

    Stage(
        Kvm kvm,
        Guest guest,
        ByteArrayOutputStream console,
        Random random,
        int moves,
        Optional<SavedMachine> from)
        throws Exception {
      Runnable[] kick = {() -> {}};
      timer = new KickTimer(() -> kick[0].run());
      long clock = from.map(saved -> saved.state().inputs().clockNanos()).orElse(0L);
      live = new LiveInputs(new HostInputs(queue, MachineLayout.TIMERS, clock, timer));
      StopSometimes inputs = new StopSometimes(live, queue, random, moves);
      long memoryBytes = (long) guest.memoryMib() << 20;
      MachineConfig config = new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0);
      machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config, QuirkProbe.probe(kvm), kvm.supportedCpuid()),
              inputs,
              OutputSink.console(console::write));
      if (from.isPresent()) {
        machine.restore(from.get(), Progress.NONE);
        from.get().state().inputs().pending().forEach(queue::offer);
      } else {
        machine.boot(
            BootImages.load(
                BootFile.of(guest.name(), guest.image()), BootConfig.of(memoryBytes, "")));
      }
      handle = new VcpuHandle(machine.kick(), Thread.currentThread());
      kick[0] = handle::kick;
      queue.wakeWith(handle::kick);
    }

    void type(String text) {
      if (!text.isEmpty()) {
        queue.offer(new ConsoleBytes(Bytes.copyOf(text.getBytes(ISO_8859_1))));
      }
    }

    RunResult run() throws Exception {
      Thread vcpu = Thread.currentThread();
      Thread watchdog =
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    try {
                      Thread.sleep(STUCK_MILLIS);
                      vcpu.interrupt();
                      handle.kick();
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  });
      try {
        return machine.run();
      } finally {
        watchdog.interrupt();
        watchdog.join();
      }
    }

    /** Something is typed after the stop, and waits in the queue when the machine is saved. */
    SavedMachine save(String lateText) throws Exception {
      type(lateText);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      SavedInputs saved = new SavedInputs(live.nowNanos(), queue.waiting());
      assertEquals(Optional.empty(), machine.save(out, saved, Progress.NONE));
      return SavedMachine.open(new ByteArrayInputStream(out.toByteArray()));
    }
  }
}
