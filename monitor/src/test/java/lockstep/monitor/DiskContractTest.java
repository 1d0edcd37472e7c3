package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import lockstep.kvm.CpuModel;
import lockstep.monitor.MachineLayout.PciSlot;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.StateCodec;
import lockstep.monitor.vcpu.RunResult;
import org.junit.jupiter.api.Test;

/** What the disk owes to recording, replay and state transfer, wired as in a machine. */
class DiskContractTest {
  private static final Geometry GEOMETRY = new Geometry(1 << 20, 512, false, true);
  private static final MachineConfig CONFIG =
      new MachineConfig(2L << 20, CpuModel.Kind.DETERMINISTIC, 0).withDisk(GEOMETRY);
  private static final PciSlot SLOT = PciSlot.DISK_0;
  private static final long WINDOW = PciRig.window(SLOT);

  private static final class Rig extends PciRig {
    final List<RunResult> ends = new ArrayList<>();

    Rig() {
      super(CONFIG);
      devices.onEnd(ends::add);
    }

    void bringUp() {
      bringUp(SLOT);
    }

    void request(int type, int sector, int dataBytes, int fill) {
      long buffers = buffers(SLOT);
      ram.writeInt(buffers, type);
      ram.writeLong(buffers + 8, sector);
      byte[] data = new byte[dataBytes];
      Arrays.fill(data, (byte) fill);
      ram.write(buffers + 0x100, data, 0, dataBytes);
      descriptor(SLOT, 0, buffers, 16, 1, 1);
      descriptor(SLOT, 1, buffers + 0x100, dataBytes, type == 0 ? 3 : 1, 2);
      descriptor(SLOT, 2, buffers + 0xf00, 1, 2, 0);
      offer(SLOT);
    }

    /** One step of a guest that mostly uses its disk well, or of its medium. */
    void step(Random random) {
      switch (random.nextInt(16)) {
        case 0, 1, 2, 3 -> disturb(SLOT, random);
        case 4, 5, 6, 7, 8 -> complete(random);
        default ->
            request(
                random.nextInt(2),
                random.nextInt(2048),
                512 * (1 + random.nextInt(4)),
                random.nextInt());
      }
      showInterrupt();
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
      copy.become(rig);
      assertArrayEquals(state, copy.digest(), "restore takes over all that save gives");
      assertEquals(List.of(), copy.requests, "and emits nothing");
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
    rig.pciWrite(SLOT, 0x10, 4, 0xf000_0000);
    assertEquals(15, rig.mmio.read(0xf000_0000L + 20, 1));
    assertEquals(0xff, rig.mmio.read(WINDOW + 20, 1));
    rig.pciWrite(SLOT, 0x04, 2, 0);
    assertEquals(0xff, rig.mmio.read(0xf000_0000L + 20, 1));
  }

  @Test
  void interruptIsALevelOnTheControllersInput() {
    Rig rig = new Rig();
    assertEquals(1 << (SLOT.irq() - 8), rig.ports.read(0x4d1, 1));
    rig.bringUp();
    rig.request(0, 0, 512, 0);
    rig.startInterruptControllers();
    assertFalse(rig.devices.interruptController().interruptPending());
    rig.devices.diskCompleted(
        new DiskCompletion(0, 0, DiskStatus.DONE, Bytes.copyOf(new byte[512])));
    assertTrue(rig.devices.interruptController().interruptPending());
    assertEquals(0x28 + SLOT.irq() - 8, rig.devices.interruptController().acknowledge());
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
    ports.write(0xcf8, 4, 0x8000_0000 | SLOT.device() << 11);
    assertEquals(-1, ports.read(0xcfc, 4));
    DevicesState withDisk = new Rig().devices.save();
    assertThrows(IllegalArgumentException.class, () -> plain.restore(withDisk));
    plain.diskCompleted(new DiskCompletion(0, 0, DiskStatus.DONE, Bytes.empty()));
    assertEquals(List.of(), plain.diskRequestsInFlight());
  }
}
