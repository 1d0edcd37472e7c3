package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
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
import lockstep.monitor.vcpu.RunResult;
import org.junit.jupiter.api.Test;

/** What the disk owes to recording, replay and state transfer, wired as in a machine. */
class DiskContractTest {
  private static final Geometry GEOMETRY = new Geometry(1 << 20, 512, false, true);
  private static final MachineConfig CONFIG =
      new MachineConfig(2L << 20, CpuModel.Kind.DETERMINISTIC, 0).withDisk(GEOMETRY);
  private static final long WINDOW = 0xe000_0000L;
  private static final long NOTIFY = WINDOW + 0x3000;
  private static final int QUEUE = 16;
  private static final long DESCRIPTORS = 0x1000;
  private static final long AVAILABLE = 0x2000;
  private static final long USED = 0x3000;
  private static final long BUFFERS = 0x10000;

  /** Devices with RAM and a driver that uses the disk through the buses. */
  private static final class Rig {
    final PortBus ports = new PortBus();
    final MmioBus mmio = new MmioBus();
    final TestRam ram = new TestRam(2 << 20);
    final List<BlockRequest> requests = new ArrayList<>();
    final List<RunResult> ends = new ArrayList<>();
    final Devices devices;
    long shown;

    Rig() {
      devices =
          new Devices(
              CONFIG,
              new ScriptedInputs(),
              OutputSink.of(value -> {}, (disk, request) -> requests.add(request)),
              ram);
      devices.onEnd(ends::add);
      devices.attachTo(ports, mmio);
    }

    void pciWrite(int register, int sizeBytes, int value) {
      ports.write(0xcf8, 4, 0x8000_0000 | PciSlot.DISK_0.device() << 11 | (register & 0xfc));
      ports.write(0xcfc + (register & 3), sizeBytes, value);
    }

    void bringUp() {
      pciWrite(0x10, 4, (int) WINDOW);
      pciWrite(0x04, 2, 6);
      mmio.write(WINDOW + 20, 1, 0);
      mmio.write(WINDOW + 20, 1, 3);
      for (int half = 0; half < 2; half++) {
        mmio.write(WINDOW, 4, half);
        mmio.write(WINDOW + 8, 4, half);
        mmio.write(WINDOW + 12, 4, mmio.read(WINDOW + 4, 4));
      }
      mmio.write(WINDOW + 20, 1, 11);
      mmio.write(WINDOW + 24, 2, QUEUE);
      mmio.write(WINDOW + 32, 8, DESCRIPTORS);
      mmio.write(WINDOW + 40, 8, AVAILABLE);
      mmio.write(WINDOW + 48, 8, USED);
      mmio.write(WINDOW + 28, 2, 1);
      mmio.write(WINDOW + 20, 1, 15);
      ram.writeInt(AVAILABLE, 0);
      ram.writeInt(USED, 0);
    }

    void request(int type, int sector, int dataBytes, int fill) {
      ram.writeInt(BUFFERS, type);
      ram.writeLong(BUFFERS + 8, sector);
      byte[] data = new byte[dataBytes];
      java.util.Arrays.fill(data, (byte) fill);
      ram.write(BUFFERS + 0x1000, data, 0, dataBytes);
      descriptor(0, BUFFERS, 16, 1, 1);
      descriptor(1, BUFFERS + 0x1000, dataBytes, type == 0 ? 3 : 1, 2);
      descriptor(2, BUFFERS + 0x800, 1, 2, 0);
      int index = ram.readShort(AVAILABLE + 2);
      ram.writeShort(AVAILABLE + 4 + 2L * (index % QUEUE), 0);
      ram.writeShort(AVAILABLE + 2, index + 1);
      mmio.write(NOTIFY, 2, 0);
    }

    private void descriptor(int index, long address, int length, int flags, int next) {
      long at = DESCRIPTORS + 16L * index;
      ram.writeLong(at, address);
      ram.writeInt(at + 8, length);
      ram.writeShort(at + 12, flags);
      ram.writeShort(at + 14, next);
    }

    /** One step of a guest that mostly uses its disk well, or of its medium. */
    void step(Random random) {
      switch (random.nextInt(16)) {
        case 0 -> bringUp();
        case 1 ->
            mmio.write(WINDOW + random.nextInt(0x4000), 1 << random.nextInt(4), random.nextLong());
        case 2 -> shown = shown * 31 + mmio.read(WINDOW + random.nextInt(0x4000), 1);
        case 3 -> pciWrite(4 * random.nextInt(64), 4, random.nextInt());
        case 4, 5, 6, 7, 8 -> complete(random);
        default ->
            request(
                random.nextInt(2),
                random.nextInt(2048),
                512 * (1 + random.nextInt(4)),
                random.nextInt());
      }
      shown = shown * 31 + (devices.interruptController().interruptPending() ? 1 : 0);
    }

    private void complete(Random random) {
      List<DiskRequest> open = devices.diskRequestsInFlight();
      if (open.isEmpty()) {
        return;
      }
      BlockRequest request = open.get(random.nextInt(open.size())).request();
      byte[] data = new byte[request instanceof BlockRequest.Read read ? read.lengthBytes() : 0];
      random.nextBytes(data);
      devices.diskCompleted(
          new DiskCompletion(0, request.id(), DiskStatus.DONE, Bytes.copyOf(data)));
    }

    byte[] digest() {
      return StateCodec.encode(devices.save());
    }
  }

  private static long seed(String what) {
    long seed = System.nanoTime();
    System.out.println("DiskContractTest " + what + " seed " + seed);
    return seed;
  }

  @Test
  void equalInputsGiveEqualDigestsMemoryAndRequests() {
    long seed = seed("digest");
    Rig one = new Rig();
    Rig other = new Rig();
    Random random = new Random(seed);
    Random same = new Random(seed);
    for (int i = 0; i < 20_000; i++) {
      one.step(random);
      other.step(same);
    }
    assertEquals(one.shown, other.shown);
    assertEquals(one.requests, other.requests);
    assertTrue(one.requests.size() > 500, one.requests.size() + " requests");
    assertArrayEquals(one.digest(), other.digest());
    assertArrayEquals(one.ram.array(), other.ram.array());
  }

  @Test
  void saveAndRestoreGiveTheSameFuture() {
    Random random = new Random(seed("restore"));
    Rig rig = new Rig();
    for (int round = 0; round < 40; round++) {
      for (int i = 0; i < 500; i++) {
        rig.step(random);
      }
      byte[] state = rig.digest();
      Rig copy = new Rig();
      System.arraycopy(rig.ram.array(), 0, copy.ram.array(), 0, rig.ram.array().length);
      copy.devices.restore(StateCodec.decode(DevicesState.class, state));
      assertArrayEquals(state, copy.digest(), "restore takes over all that save gives");
      assertEquals(List.of(), copy.requests, "and emits nothing");
      copy.shown = rig.shown;
      rig.requests.clear();
      long future = random.nextLong();
      Random one = new Random(future);
      Random other = new Random(future);
      for (int i = 0; i < 500; i++) {
        rig.step(one);
        copy.step(other);
      }
      assertEquals(rig.shown, copy.shown);
      assertEquals(rig.requests, copy.requests);
      assertArrayEquals(rig.digest(), copy.digest());
      assertArrayEquals(rig.ram.array(), copy.ram.array());
    }
  }

  @Test
  void windowFollowsItsBaseAddress() {
    Rig rig = new Rig();
    rig.bringUp();
    assertEquals(15, rig.mmio.read(WINDOW + 20, 1));
    rig.pciWrite(0x10, 4, 0xf000_0000);
    assertEquals(15, rig.mmio.read(0xf000_0000L + 20, 1));
    assertEquals(0xff, rig.mmio.read(WINDOW + 20, 1));
    rig.pciWrite(0x04, 2, 0);
    assertEquals(0xff, rig.mmio.read(0xf000_0000L + 20, 1));
  }

  @Test
  void interruptIsALevelOnTheControllersInput() {
    Rig rig = new Rig();
    assertEquals(1 << (PciSlot.DISK_0.irq() - 8), rig.ports.read(0x4d1, 1));
    rig.bringUp();
    rig.request(0, 0, 512, 0);
    // Both controllers initialized, nothing masked: ICW1 to ICW4, then the mask.
    for (int base : new int[] {0x20, 0xa0}) {
      rig.ports.write(base, 1, 0x11);
      rig.ports.write(base + 1, 1, base == 0x20 ? 0x20 : 0x28);
      rig.ports.write(base + 1, 1, base == 0x20 ? 4 : 2);
      rig.ports.write(base + 1, 1, 1);
      rig.ports.write(base + 1, 1, 0);
    }
    assertFalse(rig.devices.interruptController().interruptPending());
    rig.devices.diskCompleted(
        new DiskCompletion(0, 0, DiskStatus.DONE, Bytes.copyOf(new byte[512])));
    assertTrue(rig.devices.interruptController().interruptPending());
    assertEquals(0x28 + PciSlot.DISK_0.irq() - 8, rig.devices.interruptController().acknowledge());
    rig.ports.write(0xa0, 1, 0x20);
    rig.ports.write(0x20, 1, 0x20);
    assertTrue(rig.devices.interruptController().interruptPending(), "until it is taken back");
    assertEquals(1, rig.mmio.read(WINDOW + 0x1000, 1));
    assertFalse(rig.devices.interruptController().interruptPending());
  }

  @Test
  void refusalByTheStorageEndsTheRunWithItsReason() {
    Rig rig = new Rig();
    rig.bringUp();
    rig.request(1, 0, 512, 1);
    Bytes why = Bytes.copyOf("EBADE".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    rig.devices.diskCompleted(new DiskCompletion(0, 0, DiskStatus.FENCED, why));
    assertEquals(List.of(new RunResult.Fenced("EBADE")), rig.ends);
  }

  @Test
  void completionsThatWaitAreSavedWithTheMachine() {
    SavedInputs inputs =
        new SavedInputs(
            5,
            List.of(
                new DiskCompletion(0, 7, DiskStatus.DONE, Bytes.copyOf(new byte[512])),
                new DiskCompletion(0, 8, DiskStatus.FAILED, Bytes.empty()),
                new DiskCompletion(0, 9, DiskStatus.FENCED, Bytes.copyOf(new byte[] {'x'}))));
    byte[] encoded = StateCodec.encode(inputs.encoded());
    assertEquals(inputs, SavedInputs.of(StateCodec.decode(SavedInputs.Encoded.class, encoded)));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            SavedInputs.of(
                new SavedInputs.Encoded(
                    5, List.of(new SavedInputs.Input(4, 0, 3, 0, Bytes.empty())))));
  }

  @Test
  void machineWithoutADiskHasNoFunctionThereAndTakesNoStateWithOne() {
    Devices plain =
        TestMachine.devices(
            new MachineConfig(2L << 20, CpuModel.Kind.DETERMINISTIC, 0),
            new ScriptedInputs(),
            value -> {});
    PortBus ports = new PortBus();
    plain.attachTo(ports, new MmioBus());
    ports.write(0xcf8, 4, 0x8000_0000 | PciSlot.DISK_0.device() << 11);
    assertEquals(-1, ports.read(0xcfc, 4));
    DevicesState withDisk = new Rig().devices.save();
    assertThrows(IllegalArgumentException.class, () -> plain.restore(withDisk));
    plain.diskCompleted(new DiskCompletion(0, 0, DiskStatus.DONE, Bytes.empty()));
    assertEquals(List.of(), plain.diskRequestsInFlight());
  }
}
