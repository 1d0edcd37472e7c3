package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import java.util.List;
import java.util.Random;
import lockstep.kvm.CpuModel;
import lockstep.monitor.MachineLayout.PciSlot;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What the device in every PCI slot owes to recording, replay and state transfer, in a machine that
 * has one in each.
 */
class PciContractTest {
  private static final MachineConfig CONFIG =
      new MachineConfig(2L << 20, CpuModel.Kind.DETERMINISTIC, 0)
          .withDisks(
              Collections.nCopies(MachineLayout.MAX_DISKS, new Geometry(1 << 20, 512, false, true)))
          .withRng();

  private static final class Rig extends PciRig {
    Rig() {
      super(CONFIG);
    }

    /** Offers a chain: a header to read, and room to write. */
    void offer(PciSlot slot, Random random) {
      long buffers = buffers(slot);
      ram.writeInt(buffers, 0);
      ram.writeLong(buffers + 8, random.nextInt(2048));
      descriptor(slot, 0, buffers, 16, slot == PciSlot.RNG ? 3 : 1, 1);
      descriptor(slot, 1, buffers + 0x100, 512, 3, 2);
      descriptor(slot, 2, buffers + 0x400, 1, 2, 0);
      offer(slot);
    }

    void step(PciSlot slot, Random random) {
      switch (random.nextInt(4)) {
        case 0 -> disturb(slot, random);
        case 1 -> complete(random);
        default -> offer(slot, random);
      }
      showInterrupt();
    }
  }

  private static PciSlot any(PciSlot slot, Random random) {
    PciSlot[] all = PciSlot.values();
    return random.nextInt(4) == 0 ? all[random.nextInt(all.length)] : slot;
  }

  private static Random random(String what) {
    long seed = System.nanoTime();
    System.out.println("PciContractTest " + what + " seed " + seed);
    return new Random(seed);
  }

  @ParameterizedTest
  @EnumSource
  void equalInputsGiveEqualDigestsMemoryAndRequests(PciSlot slot) {
    long seed = random(slot + " digest").nextLong();
    Random random = new Random(seed);
    Random same = new Random(seed);
    Rig one = new Rig();
    Rig other = new Rig();
    byte[] powerOn = one.digest();
    for (int i = 0; i < 5_000; i++) {
      one.step(any(slot, random), random);
      other.step(any(slot, same), same);
    }
    assertEquals(one.shown, other.shown);
    assertEquals(one.requests, other.requests);
    assertArrayEquals(one.digest(), other.digest());
    assertArrayEquals(one.ram.array(), other.ram.array());
    assertNotEquals(Bytes.copyOf(powerOn), Bytes.copyOf(one.digest()));
  }

  @ParameterizedTest
  @EnumSource
  void saveAndRestoreGiveTheSameFuture(PciSlot slot) {
    Random random = random(slot + " restore");
    Rig rig = new Rig();
    for (int round = 0; round < 10; round++) {
      for (int i = 0; i < 300; i++) {
        rig.step(any(slot, random), random);
      }
      byte[] state = rig.digest();
      Rig copy = new Rig();
      copy.become(rig);
      assertArrayEquals(state, copy.digest(), "restore takes over all that save gives");
      assertEquals(List.of(), copy.requests, "and emits nothing");
      rig.requests.clear();
      long future = random.nextLong();
      Random one = new Random(future);
      Random other = new Random(future);
      for (int i = 0; i < 300; i++) {
        rig.step(any(slot, one), one);
        copy.step(any(slot, other), other);
      }
      assertEquals(rig.shown, copy.shown);
      assertEquals(rig.requests, copy.requests);
      assertArrayEquals(rig.digest(), copy.digest());
      assertArrayEquals(rig.ram.array(), copy.ram.array());
    }
  }

  /** Fails for a new slot whose device is not in the state, or does not forget at a reset. */
  @ParameterizedTest
  @EnumSource
  void theDeviceIsInTheStateAndResetWithTheMachine(PciSlot slot) {
    Rig rig = new Rig();
    int number = MachineLayout.PCI_ROWS + slot.device();
    DevicesState.Row powerOn = rig.devices.save().row(number).orElseThrow();
    rig.bringUp(slot);
    assertNotEquals(powerOn, rig.devices.save().row(number).orElseThrow());
    rig.devices.reset();
    assertEquals(powerOn, rig.devices.save().row(number).orElseThrow());
  }

  /** Two devices on one line: it stays high until both have taken their interrupts back. */
  @Test
  void devicesThatShareALineBothKeepItHigh() {
    Rig rig = new Rig();
    for (PciSlot slot : List.of(PciSlot.DISK_0, PciSlot.DISK_4)) {
      rig.bringUp(slot);
      rig.offer(slot, new Random(1));
    }
    rig.startInterruptControllers();
    for (int disk : new int[] {0, 4}) {
      rig.done(disk, 0, new byte[512]);
    }
    assertTrue(rig.devices.interruptController().interruptPending());
    assertEquals(1, rig.mmio.read(PciRig.window(PciSlot.DISK_0) + 0x1000, 1));
    assertTrue(rig.devices.interruptController().interruptPending(), "disk 4 still wants it");
    assertEquals(1, rig.mmio.read(PciRig.window(PciSlot.DISK_4) + 0x1000, 1));
    assertFalse(rig.devices.interruptController().interruptPending());
  }

  @Test
  void anEntropyDeviceFillsWhatItIsGivenUpToItsBound() {
    Rig rig = new Rig();
    rig.bringUp(PciSlot.RNG);
    rig.offer(PciSlot.RNG, new Random(1));
    assertEquals(1, rig.inputs.entropies);
    assertEquals(1, rig.ram.readShort(PciRig.used(PciSlot.RNG) + 2), "one chain is given back");
    byte[] filled = new byte[65];
    rig.ram.read(PciRig.buffers(PciSlot.RNG) + 0x100, filled, 0, 65);
    // 16 bytes went to the first buffer, 48 of 64 to the second.
    assertEquals(1, filled[47]);
    assertEquals(0, filled[48]);
  }
}
