package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import lockstep.kvm.CpuModel;
import lockstep.monitor.MachineLayout.PciSlot;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.StateCodec;
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

  private static final long WINDOWS = 0xe000_0000L;
  private static final int WINDOW_BYTES = 0x4000;
  private static final int QUEUE = 8;

  /** Of each slot, in RAM: table, rings and one buffer. */
  private static final int AREA_BYTES = 0x4000;

  private static final class Rig {
    final PortBus ports = new PortBus();
    final MmioBus mmio = new MmioBus();
    final TestRam ram = new TestRam(2 << 20);
    final List<DiskRequest> requests = new ArrayList<>();
    final ScriptedInputs inputs = new ScriptedInputs();
    final Devices devices;
    long shown;

    Rig() {
      devices =
          new Devices(
              CONFIG,
              inputs,
              OutputSink.of(
                  value -> {}, (disk, request) -> requests.add(new DiskRequest(disk, request))),
              ram);
      devices.attachTo(ports, mmio);
    }

    static long window(PciSlot slot) {
      return WINDOWS + (long) WINDOW_BYTES * slot.device();
    }

    private static long area(PciSlot slot) {
      return (long) AREA_BYTES * (slot.device() + 1);
    }

    void pciWrite(PciSlot slot, int register, int sizeBytes, int value) {
      ports.write(0xcf8, 4, 0x8000_0000 | slot.device() << 11 | (register & 0xfc));
      ports.write(0xcfc + (register & 3), sizeBytes, value);
    }

    void bringUp(PciSlot slot) {
      long window = window(slot);
      pciWrite(slot, 0x10, 4, (int) window);
      pciWrite(slot, 0x04, 2, 6);
      mmio.write(window + 20, 1, 0);
      mmio.write(window + 20, 1, 3);
      for (int half = 0; half < 2; half++) {
        mmio.write(window, 4, half);
        mmio.write(window + 8, 4, half);
        mmio.write(window + 12, 4, mmio.read(window + 4, 4));
      }
      mmio.write(window + 20, 1, 11);
      mmio.write(window + 24, 2, QUEUE);
      mmio.write(window + 32, 8, area(slot));
      mmio.write(window + 40, 8, area(slot) + 0x1000);
      mmio.write(window + 48, 8, area(slot) + 0x2000);
      mmio.write(window + 28, 2, 1);
      mmio.write(window + 20, 1, 15);
      ram.writeInt(area(slot) + 0x1000, 0);
      ram.writeInt(area(slot) + 0x2000, 0);
    }

    /** Offers a chain: a header to read, and room to write. */
    void offer(PciSlot slot, Random random) {
      long area = area(slot);
      boolean disk = slot != PciSlot.RNG;
      ram.writeInt(area + 0x3000, 0);
      ram.writeLong(area + 0x3008, random.nextInt(2048));
      descriptor(slot, 0, area + 0x3000, 16, disk ? 1 : 3, 1);
      descriptor(slot, 1, area + 0x3100, 512, 3, 2);
      descriptor(slot, 2, area + 0x3400, 1, 2, 0);
      int index = ram.readShort(area + 0x1002);
      ram.writeShort(area + 0x1004 + 2L * (index % QUEUE), 0);
      ram.writeShort(area + 0x1002, index + 1);
      mmio.write(window(slot) + 0x3000, 2, 0);
    }

    private void descriptor(PciSlot slot, int index, long at, int length, int flags, int next) {
      long entry = area(slot) + 16L * index;
      ram.writeLong(entry, at);
      ram.writeInt(entry + 8, length);
      ram.writeShort(entry + 12, flags);
      ram.writeShort(entry + 14, next);
    }

    void step(PciSlot slot, Random random) {
      switch (random.nextInt(16)) {
        case 0 -> bringUp(slot);
        case 1 ->
            mmio.write(
                window(slot) + random.nextInt(WINDOW_BYTES),
                1 << random.nextInt(4),
                random.nextLong());
        case 2 -> shown = shown * 31 + mmio.read(window(slot) + random.nextInt(WINDOW_BYTES), 1);
        case 3 -> pciWrite(slot, 4 * random.nextInt(64), 4, random.nextInt());
        case 4, 5, 6, 7 -> complete(random);
        default -> offer(slot, random);
      }
      shown = shown * 31 + (devices.interruptController().interruptPending() ? 1 : 0);
    }

    private void complete(Random random) {
      List<DiskRequest> open = devices.diskRequestsInFlight();
      if (open.isEmpty()) {
        return;
      }
      DiskRequest asked = open.get(random.nextInt(open.size()));
      byte[] data =
          new byte[asked.request() instanceof BlockRequest.Read read ? read.lengthBytes() : 0];
      random.nextBytes(data);
      devices.diskCompleted(
          new DiskCompletion(
              asked.disk(), asked.request().id(), DiskStatus.DONE, Bytes.copyOf(data)));
    }

    byte[] digest() {
      return StateCodec.encode(devices.save());
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
      System.arraycopy(rig.ram.array(), 0, copy.ram.array(), 0, rig.ram.array().length);
      copy.devices.restore(StateCodec.decode(DevicesState.class, state));
      copy.inputs.entropies = rig.inputs.entropies;
      assertArrayEquals(state, copy.digest(), "restore takes over all that save gives");
      assertEquals(List.of(), copy.requests, "and emits nothing");
      copy.shown = rig.shown;
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
    for (int base : new int[] {0x20, 0xa0}) {
      rig.ports.write(base, 1, 0x11);
      rig.ports.write(base + 1, 1, base == 0x20 ? 0x20 : 0x28);
      rig.ports.write(base + 1, 1, base == 0x20 ? 4 : 2);
      rig.ports.write(base + 1, 1, 1);
      rig.ports.write(base + 1, 1, 0);
    }
    for (int disk : new int[] {0, 4}) {
      Bytes data = Bytes.copyOf(new byte[512]);
      rig.devices.diskCompleted(new DiskCompletion(disk, 0, DiskStatus.DONE, data));
    }
    assertTrue(rig.devices.interruptController().interruptPending());
    assertEquals(1, rig.mmio.read(Rig.window(PciSlot.DISK_0) + 0x1000, 1));
    assertTrue(rig.devices.interruptController().interruptPending(), "disk 4 still wants it");
    assertEquals(1, rig.mmio.read(Rig.window(PciSlot.DISK_4) + 0x1000, 1));
    assertEquals(false, rig.devices.interruptController().interruptPending());
  }

  @Test
  void anEntropyDeviceFillsWhatItIsGivenUpToItsBound() {
    Rig rig = new Rig();
    rig.bringUp(PciSlot.RNG);
    rig.offer(PciSlot.RNG, new Random(1));
    assertEquals(1, rig.inputs.entropies);
    long used = 0x4000L * (PciSlot.RNG.device() + 1) + 0x2000;
    assertEquals(1, rig.ram.readShort(used + 2), "one chain is given back");
    byte[] filled = new byte[65];
    rig.ram.read(0x4000L * (PciSlot.RNG.device() + 1) + 0x3100, filled, 0, 65);
    // 16 bytes went to the first buffer, 48 of 64 to the second.
    assertEquals(1, filled[47]);
    assertEquals(0, filled[48]);
  }
}
