package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import lockstep.kvm.CpuModel;
import lockstep.monitor.MachineLayout.Slot;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.StateCodec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What every row of MachineLayout owes to recording, replay and state transfer. */
class DeviceContractTest {
  private static final MachineConfig CONFIG =
      new MachineConfig(64L << 20, CpuModel.Kind.DETERMINISTIC, 1_700_000_000L);

  private static final List<Slot> ROWS = List.of(Slot.values());

  /** All devices on a bus, with everything they can be told and everything they show. */
  private static final class Rig {
    final ScriptedInputs inputs = new ScriptedInputs();
    final PortBus ports = new PortBus();
    final Devices devices;
    long shown;
    int ends;

    Rig() {
      devices = TestMachine.devices(CONFIG, inputs, this::show);
      devices.onEnd(result -> ends++);
      devices.attachTo(ports, new MmioBus());
    }

    private void show(long value) {
      shown = shown * 31 + value;
    }

    /** One step of a guest that uses this row's ports. */
    void step(Random random, Slot slot) {
      inputs.nowNanos += random.nextInt(200_000);
      inputs.expire(devices);
      int port = slot.base() + random.nextInt(slot.count());
      int size = 1 << random.nextInt(3);
      switch (random.nextInt(8)) {
        case 0, 1, 2 -> show(ports.read(port, size));
        case 3, 4, 5 -> ports.write(port, size, random.nextInt());
        case 6 -> {
          if (devices.interruptController().interruptPending()) {
            show(devices.interruptController().acknowledge());
          }
        }
        default -> devices.consoleInput(Bytes.copyOf(new byte[] {(byte) random.nextInt()}));
      }
      show(devices.interruptController().interruptPending() ? 1 : 0);
    }

    byte[] digest() {
      return StateCodec.encode(devices.save());
    }
  }

  /** Every other row gets a few accesses too, so that a row is seen in a machine that lives. */
  private static Slot pick(Random random, Slot slot) {
    return random.nextInt(4) == 0 ? any(random) : slot;
  }

  private static Slot any(Random random) {
    return ROWS.get(random.nextInt(ROWS.size()));
  }

  private static long seed(String what) {
    long seed = System.nanoTime();
    System.out.println("DeviceContractTest " + what + " seed " + seed);
    return seed;
  }

  @ParameterizedTest
  @EnumSource
  void equalInputsGiveEqualDigests(Slot slot) {
    long seed = seed(slot + " digest");
    Rig one = new Rig();
    Rig other = new Rig();
    Random random = new Random(seed);
    Random same = new Random(seed);
    for (int i = 0; i < 20_000; i++) {
      one.step(random, pick(random, slot));
      other.step(same, pick(same, slot));
    }
    assertEquals(one.shown, other.shown);
    assertEquals(one.ends, other.ends);
    assertEquals(one.inputs.readings, other.inputs.readings, "every reading is a log entry");
    assertArrayEquals(one.digest(), other.digest());
  }

  @ParameterizedTest
  @EnumSource
  void saveAndRestoreGiveTheSameFuture(Slot slot) {
    long seed = seed(slot + " restore");
    Random random = new Random(seed);
    Rig rig = new Rig();
    for (int round = 0; round < 40; round++) {
      for (int i = 0; i < 500; i++) {
        rig.step(random, pick(random, slot));
      }
      byte[] state = rig.digest();
      Rig copy = new Rig();
      copy.inputs.nowNanos = rig.inputs.nowNanos;
      copy.devices.restore(StateCodec.decode(DevicesState.class, state));
      copy.shown = rig.shown;
      assertArrayEquals(state, copy.digest(), "restore takes over all that save gives");
      assertArrayEquals(rig.inputs.deadlines, copy.inputs.deadlines, "and arms the timers");
      long future = random.nextLong();
      Random one = new Random(future);
      Random other = new Random(future);
      for (int i = 0; i < 500; i++) {
        rig.step(one, pick(one, slot));
        copy.step(other, pick(other, slot));
      }
      assertEquals(rig.shown, copy.shown);
      assertArrayEquals(rig.digest(), copy.digest());
    }
  }

  /** Fails for a new row whose device does not stand in DevicesState. */
  @ParameterizedTest
  @EnumSource
  void everyRowHasItsStateInTheDigest(Slot slot) {
    Rig rig = new Rig();
    byte[] powerOn = rig.digest();
    Random random = new Random(1);
    boolean changed = false;
    for (int i = 0; i < 10_000 && !changed; i++) {
      rig.ports.write(
          slot.base() + random.nextInt(slot.count()), 1 << random.nextInt(3), random.nextInt());
      changed = !Arrays.equals(powerOn, rig.digest());
    }
    // The exit port ends the run; there is nothing to remember.
    assertEquals(slot != Slot.DEBUG_EXIT, changed);
    assertEquals(0, rig.ports.unclaimedReads(), "the row is attached");
  }

  @Test
  void resetLeavesNoRequestBehindAndKeepsTheBattery() {
    Rig rig = new Rig();
    Random random = new Random(seed("reset"));
    for (int i = 0; i < 50_000; i++) {
      rig.step(random, any(random));
    }
    rig.devices.reset();
    DevicesState reset = rig.devices.save();
    DevicesState powerOn = new Rig().devices.save();
    for (MachineLayout.Row row : MachineLayout.Row.values()) {
      if (row == MachineLayout.Row.RTC) {
        assertNotEquals(powerOn.row(row.number()), reset.row(row.number()));
      } else {
        assertEquals(powerOn.row(row.number()), reset.row(row.number()), row.name());
      }
    }
    assertFalse(rig.devices.interruptController().interruptPending());
  }

  @Test
  void cmosShowsTheMemorySize() {
    Rig rig = new Rig();
    int[] expected = {0x80, 0x02, 0x00, 0xfc, 0x00, 0xfc, 0x00, 0x03};
    int[] registers = {0x15, 0x16, 0x17, 0x18, 0x30, 0x31, 0x34, 0x35};
    for (int i = 0; i < registers.length; i++) {
      rig.ports.write(0x70, 1, registers[i]);
      assertEquals(expected[i], rig.ports.read(0x71, 1), "register " + registers[i]);
    }
  }

  @Test
  void refusedConsoleBytesAreCounted() {
    Rig rig = new Rig();
    Bytes most = Bytes.copyOf(new byte[4096]);
    for (int i = 0; i < 2; i++) {
      rig.devices.consoleInput(most);
    }
    assertEquals(0, rig.devices.refusedConsoleBytes());
    rig.devices.consoleInput(most);
    assertTrue(rig.devices.refusedConsoleBytes() >= 4096 - 16);
    assertTrue(rig.devices.refusedConsoleBytes() < 4096);
  }

  /** COM1 as a Linux driver opens it: OUT2, then the receive interrupt, then the FIFOs. */
  @Test
  void consoleOfALinuxTakesNothingBeforeItsDriverListens() {
    Rig rig = new Rig();
    assertTrue(rig.devices.takesMore());
    rig.devices.consoleNeedsListener();
    assertFalse(rig.devices.takesMore());
    rig.ports.write(0x3f9, 1, 0x0f);
    assertFalse(rig.devices.takesMore(), "a probe of IER, with no interrupt connected");
    rig.ports.write(0x3f9, 1, 0);
    rig.ports.write(0x3fc, 1, 0x0b);
    assertFalse(rig.devices.takesMore());
    rig.ports.write(0x3f9, 1, 0x05);
    assertFalse(rig.devices.takesMore(), "turning the FIFOs on will empty them");
    rig.ports.write(0x3fa, 1, 0x81);
    assertTrue(rig.devices.takesMore());
  }

  @Test
  void consoleTakesMoreOnlyWithRoomForTheLongestInput() {
    Rig rig = new Rig();
    rig.devices.consoleInput(Bytes.copyOf(new byte[4096]));
    assertTrue(rig.devices.takesMore(), "one byte is in the receiver");
    rig.devices.consoleInput(Bytes.copyOf(new byte[2]));
    assertFalse(rig.devices.takesMore());
    assertEquals(4098, rig.devices.appliedBytes());
    rig.ports.read(0x3f8, 1);
    assertTrue(rig.devices.takesMore());
    assertEquals(0, rig.devices.refusedConsoleBytes());
  }

  /**
   * The one documented exception: a write that ends the run makes the small object that says how.
   * Expiries and console bytes are left out: they are inputs, and those may allocate.
   */
  @Test
  void portAccessesAllocateNothingOnceWarm() {
    int accesses = 100_000;
    int resultBytes = 16;
    Rig rig = new Rig();
    Random random = new Random(seed("allocation"));
    int[] ports = new int[accesses];
    int[] sizes = new int[accesses];
    int[] values = new int[accesses];
    for (int i = 0; i < accesses; i++) {
      Slot slot = any(random);
      boolean anywhere = random.nextInt(4) == 0;
      ports[i] = anywhere ? random.nextInt(0x10000) : slot.base() + random.nextInt(slot.count());
      sizes[i] = 1 << random.nextInt(3);
      values[i] = random.nextInt();
    }
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long fewest = Long.MAX_VALUE;
    for (int round = 0; round < 20; round++) {
      int endsBefore = rig.ends;
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < accesses; i++) {
        rig.inputs.nowNanos += 1000;
        if ((values[i] & 0x100) == 0) {
          rig.ports.write(ports[i], sizes[i], values[i]);
        } else {
          rig.shown += rig.ports.read(ports[i], sizes[i]);
        }
      }
      long allocated = threads.getCurrentThreadAllocatedBytes() - before;
      fewest = Math.min(fewest, allocated - (long) resultBytes * (rig.ends - endsBefore));
    }
    System.out.println("DeviceContractTest: " + fewest + " bytes for " + accesses + " accesses");
    assertTrue(fewest < accesses / 10, fewest + " bytes allocated by " + accesses + " accesses");
  }
}
