package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.LongStream;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.input.InputSource.GuestExit;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A running guest is saved at random guest exits, restored into another machine, and goes on: it
 * must end with the same output, memory, devices and registers as one that never moved.
 */
@KvmRequired
final class MovedMachineTest {
  private static final int MOVES = 12;

  static List<Guest> guestsWhoseRunsAreEqual() {
    return List.of("hello", "compute", "memory", "ports").stream()
        .map(name -> Guests.find(name).orElseThrow())
        .toList();
  }

  /** A run's end: nothing of it may depend on where the machine was moved. */
  private record End(RunResult how, String console, long guestExits, Bytes saved) {}

  /** One guest on one console, in one machine after the other. */
  private static final class Run implements AutoCloseable {
    final Kvm kvm = Kvm.open();
    final ByteArrayOutputStream console = new ByteArrayOutputStream();
    StoppableInputs inputs = new StoppableInputs(0);
    Machine machine;

    Run(Guest guest) throws Exception {
      long memoryBytes = (long) guest.memoryMib() << 20;
      QuirkSet quirks = QuirkProbe.probe(kvm);
      MachineConfig config = new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0);
      machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config, quirks, kvm.supportedCpuid()),
              inputs,
              OutputSink.console(console::write));
      machine.boot(
          BootImages.load(
              BootFile.of(guest.name(), guest.image()),
              BootConfig.of(
                  memoryBytes, guest.name().equals("ports") ? "accesses=2000 seed=7" : "")));
    }

    byte[] save() throws Exception {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      assertEquals(
          Optional.empty(),
          machine.save(out, new SavedInputs(inputs.clockNanos(), List.of()), Progress.NONE));
      return out.toByteArray();
    }

    /** Continues in a new machine; the old one is gone before the new one exists. */
    void move() throws Exception {
      byte[] bytes = save();
      machine.close();
      SavedMachine saved = SavedMachine.open(new ByteArrayInputStream(bytes));
      inputs = new StoppableInputs(saved.state().inputs().clockNanos());
      MachineOrigin origin = saved.state().origin();
      machine = Machine.create(kvm, origin, inputs, OutputSink.console(console::write));
      machine.restore(saved, Progress.NONE);
      assertArrayEquals(bytes, save(), "saving what was restored gives the same bytes");
    }

    End end(RunResult how) throws Exception {
      return new End(
          how, console.toString(ISO_8859_1), machine.counters().guestExits(), Bytes.copyOf(save()));
    }

    @Override
    public void close() {
      machine.close();
      kvm.close();
    }
  }

  @ParameterizedTest
  @MethodSource("guestsWhoseRunsAreEqual")
  void aGuestMovedAtAnyExitEndsAsOneThatNeverMoved(Guest guest) throws Exception {
    long seed = System.nanoTime();
    System.out.println("MovedMachineTest " + guest + " seed " + seed);
    Random random = new Random(seed);
    End expected;
    long portRead;
    try (Run run = new Run(guest)) {
      expected = run.end(run.machine.run());
      portRead = run.inputs.lastPortRead();
    }
    assertEquals(new RunResult.ExitPort(guest.exitCode()), expected.how());
    Map<GuestExit, Integer> movedAt = new EnumMap<>(GuestExit.class);
    long[] stops =
        LongStream.concat(LongStream.of(portRead), random.longs(MOVES, 1, expected.guestExits()))
            .sorted()
            .distinct()
            .toArray();
    try (Run run = new Run(guest)) {
      for (long stop : stops) {
        run.inputs.stopAtExits(stop);
        assertEquals(new RunResult.Stopped(), run.machine.run(), "at exit " + stop);
        movedAt.merge(run.inputs.lastExit(), 1, Integer::sum);
        run.move();
      }
      End moved = run.end(run.machine.run());
      assertEquals(expected.how(), moved.how());
      assertEquals(expected.console(), moved.console());
      assertEquals(expected.guestExits(), moved.guestExits());
      assertEquals(expected.saved(), moved.saved());
    }
    System.out.println(
        "MovedMachineTest %s: %d exits, moved at %s, %d bytes at its end, hash %08x"
            .formatted(
                guest,
                expected.guestExits(),
                movedAt,
                expected.saved().size(),
                expected.saved().hashCode()));
    assertTrue(
        movedAt.containsKey(GuestExit.PORT_IN), "some move lies between a port read and its end");
  }
}
