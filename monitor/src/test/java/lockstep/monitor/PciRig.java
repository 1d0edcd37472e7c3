package lockstep.monitor;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import lockstep.monitor.MachineLayout.PciSlot;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.StateCodec;

/** A machine's devices with RAM, and a driver that uses those on PCI through the buses. */
class PciRig {
  /** How large the window of each device is. */
  static final int WINDOW_BYTES = 0x4000;

  private static final long WINDOWS = 0xe000_0000L;
  private static final int QUEUE = 8;

  /** Of each slot, in RAM: table, rings and buffers. */
  private static final int AREA_BYTES = 0x4000;

  final PortBus ports = new PortBus();
  final MmioBus mmio = new MmioBus();
  final TestRam ram = new TestRam(2 << 20);
  final List<DiskRequest> requests = new ArrayList<>();
  final ScriptedInputs inputs = new ScriptedInputs();
  final Devices devices;

  /** All that the guest could see. */
  long shown;

  PciRig(MachineConfig config) {
    OutputSink outputs =
        OutputSink.of(value -> {}, (disk, request) -> requests.add(new DiskRequest(disk, request)));
    devices = new Devices(config, inputs, outputs, ram);
    devices.attachTo(ports, mmio);
  }

  /** Where this driver has a device's window. */
  static long window(PciSlot slot) {
    return WINDOWS + (long) WINDOW_BYTES * slot.device();
  }

  private static long area(PciSlot slot) {
    return (long) AREA_BYTES * (slot.device() + 1);
  }

  /** Where the used ring is. */
  static long used(PciSlot slot) {
    return area(slot) + 0x2000;
  }

  /** Where a chain's buffers are. */
  static long buffers(PciSlot slot) {
    return area(slot) + 0x3000;
  }

  void pciWrite(PciSlot slot, int register, int sizeBytes, int value) {
    ports.write(0xcf8, 4, 0x8000_0000 | slot.device() << 11 | (register & 0xfc));
    ports.write(0xcfc + (register & 3), sizeBytes, value);
  }

  /** Brings the device from reset to DRIVER_OK, with one queue. */
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
    mmio.write(window + 48, 8, used(slot));
    mmio.write(window + 28, 2, 1);
    mmio.write(window + 20, 1, 15);
    ram.writeInt(area(slot) + 0x1000, 0);
    ram.writeInt(used(slot), 0);
  }

  /**
   * Sets a descriptor.
   *
   * @param flags 1: another one follows, 2: the device writes it
   */
  void descriptor(PciSlot slot, int index, long address, int length, int flags, int next) {
    long at = area(slot) + 16L * index;
    ram.writeLong(at, address);
    ram.writeInt(at + 8, length);
    ram.writeShort(at + 12, flags);
    ram.writeShort(at + 14, next);
  }

  /** Offers the chain that begins with descriptor 0, and tells the device. */
  void offer(PciSlot slot) {
    long available = area(slot) + 0x1000;
    int index = ram.readShort(available + 2);
    ram.writeShort(available + 4 + 2L * (index % QUEUE), 0);
    ram.writeShort(available + 2, index + 1);
    mmio.write(window(slot) + 0x3000, 2, 0);
  }

  /** Anything that a driver in disarray does. */
  void disturb(PciSlot slot, Random random) {
    switch (random.nextInt(4)) {
      case 0 -> bringUp(slot);
      case 1 ->
          mmio.write(
              window(slot) + random.nextInt(WINDOW_BYTES),
              1 << random.nextInt(4),
              random.nextLong());
      case 2 -> show(mmio.read(window(slot) + random.nextInt(WINDOW_BYTES), 1));
      default -> pciWrite(slot, 4 * random.nextInt(64), 4, random.nextInt());
    }
  }

  void show(long value) {
    shown = shown * 31 + value;
  }

  void showInterrupt() {
    show(devices.interruptController().interruptPending() ? 1 : 0);
  }

  /** A medium answers one of the requests that wait for it, if any does. */
  void complete(Random random) {
    List<DiskRequest> open = devices.diskRequestsInFlight();
    if (open.isEmpty()) {
      return;
    }
    DiskRequest asked = open.get(random.nextInt(open.size()));
    byte[] data =
        new byte[asked.request() instanceof BlockRequest.Read read ? read.lengthBytes() : 0];
    random.nextBytes(data);
    done(asked.disk(), asked.request().id(), data);
  }

  void done(int disk, long id, byte[] data) {
    devices.diskCompleted(new DiskCompletion(disk, id, DiskStatus.DONE, Bytes.copyOf(data)));
  }

  /** Both interrupt controllers initialized, nothing masked: ICW1 to ICW4, then the mask. */
  void startInterruptControllers() {
    for (int base : new int[] {0x20, 0xa0}) {
      ports.write(base, 1, 0x11);
      ports.write(base + 1, 1, base == 0x20 ? 0x20 : 0x28);
      ports.write(base + 1, 1, base == 0x20 ? 4 : 2);
      ports.write(base + 1, 1, 1);
      ports.write(base + 1, 1, 0);
    }
  }

  byte[] digest() {
    return StateCodec.encode(devices.save());
  }

  /** Takes over the memory and devices of another one of the same kind. */
  void become(PciRig other) {
    System.arraycopy(other.ram.array(), 0, ram.array(), 0, other.ram.array().length);
    devices.restore(StateCodec.decode(DevicesState.class, other.digest()));
    inputs.entropies = other.inputs.entropies;
    shown = other.shown;
  }
}
