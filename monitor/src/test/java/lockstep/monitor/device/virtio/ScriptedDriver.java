package lockstep.monitor.device.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import lockstep.monitor.TestRam;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;

/** A driver as the specification has it, that a test can make do what no driver should. */
final class ScriptedDriver {
  static final int RAM_BYTES = 4 << 20;
  static final int SIZE = 16;
  static final long DESCRIPTORS = 0x1000;
  static final long AVAILABLE = 0x3000;
  static final long USED = 0x4000;

  /** Where tests put headers, data and status. */
  static final long BUFFERS = 0x10000;

  static final long WINDOW = 0xe000_0000L;
  static final int NEXT = 1;
  static final int WRITE = 2;
  static final int INDIRECT = 4;

  /** Data of requests that may wait. */
  static final long MOST_BYTES = 8L << 20;

  final TestRam ram = new TestRam(RAM_BYTES);
  final List<BlockRequest> requests = new ArrayList<>();
  final List<String> fenced = new ArrayList<>();
  final VirtioBlock disk;
  boolean lineHigh;
  int lineRises;
  int available;

  ScriptedDriver(Geometry geometry) {
    disk =
        new VirtioBlock(
            geometry,
            new PciWiring(11, this::line, ram),
            new VirtioBlock.Port(requests::add, fenced::add, MOST_BYTES));
  }

  private void line(boolean high) {
    if (high && !lineHigh) {
      lineRises++;
    }
    lineHigh = high;
  }

  static Geometry geometry() {
    return new Geometry(1 << 20, 512, false, true);
  }

  /** A driver that has found the device and brought it to DRIVER_OK. */
  static ScriptedDriver ready(Geometry geometry) {
    ScriptedDriver driver = new ScriptedDriver(geometry);
    driver.map();
    driver.negotiate(-1L);
    driver.enableQueue(SIZE);
    driver.status(15);
    assertEquals(15, driver.status());
    return driver;
  }

  void map() {
    disk.pci().function().writeConfig(0x10, 4, (int) WINDOW);
    disk.pci().function().writeConfig(0x04, 2, 6);
    assertEquals(WINDOW, disk.pci().windowAddress());
  }

  /** Accepts what is both wanted and offered, up to FEATURES_OK. */
  void negotiate(long wanted) {
    status(0);
    status(1);
    status(3);
    for (int half = 0; half < 2; half++) {
      write(0, 4, half);
      write(8, 4, half);
      write(12, 4, read(4, 4) & (wanted >>> (32 * half)));
    }
    status(11);
  }

  void enableQueue(int size) {
    write(22, 2, 0);
    write(24, 2, size);
    write(32, 8, DESCRIPTORS);
    write(40, 4, AVAILABLE);
    write(44, 4, 0);
    write(48, 8, USED);
    write(28, 2, 1);
    available = 0;
    ram.writeInt(AVAILABLE, 0);
    ram.writeInt(USED, 0);
  }

  int status() {
    return (int) read(20, 1);
  }

  void status(int value) {
    write(20, 1, value);
  }

  boolean needsReset() {
    return (status() & 0x40) != 0;
  }

  long read(long offset, int sizeBytes) {
    return disk.pci().window().read(offset, sizeBytes);
  }

  void write(long offset, int sizeBytes, long value) {
    disk.pci().window().write(offset, sizeBytes, value);
  }

  long config(int offset, int sizeBytes) {
    return read(0x2000 + offset, sizeBytes);
  }

  int takeInterrupt() {
    return (int) read(0x1000, 1);
  }

  void descriptor(long table, int index, long address, long length, int flags, int next) {
    long at = table + 16L * index;
    ram.writeLong(at, address);
    ram.writeInt(at + 8, (int) length);
    ram.writeShort(at + 12, flags);
    ram.writeShort(at + 14, next);
  }

  void header(long address, int type, long sector) {
    ram.writeInt(address, type);
    ram.writeInt(address + 4, 0);
    ram.writeLong(address + 8, sector);
  }

  void offer(int head) {
    ram.writeShort(AVAILABLE + 4 + 2L * (available % SIZE), head);
    available++;
    ram.writeShort(AVAILABLE + 2, available);
  }

  void notifyDevice() {
    write(0x3000, 2, 0);
  }

  /** Where request number {@code slot} has its header; data 0x100 behind, status before the end. */
  static long buffer(int slot) {
    return BUFFERS + 0x10000L * slot;
  }

  static long dataOf(int slot) {
    return buffer(slot) + 0x100;
  }

  static long statusOf(int slot) {
    return buffer(slot) + 0x80;
  }

  /** One request of three descriptors from 3 x slot on, two where there is no data. */
  void request(int slot, int type, long sector, int dataBytes, boolean deviceWrites) {
    int head = 3 * slot;
    header(buffer(slot), type, sector);
    ram.writeByte(statusOf(slot), 0xee);
    descriptor(DESCRIPTORS, head, buffer(slot), 16, NEXT, head + 1);
    int last = head + 1;
    if (dataBytes > 0) {
      int flags = NEXT | (deviceWrites ? WRITE : 0);
      descriptor(DESCRIPTORS, head + 1, dataOf(slot), dataBytes, flags, head + 2);
      last = head + 2;
    }
    descriptor(DESCRIPTORS, last, statusOf(slot), 1, WRITE, 0);
    offer(head);
    notifyDevice();
  }

  void read(int slot, long sector, int bytes) {
    request(slot, 0, sector, bytes, true);
  }

  void write(int slot, long sector, byte[] data) {
    ram.write(dataOf(slot), data, 0, data.length);
    request(slot, 1, sector, data.length, false);
  }

  int answer(int slot) {
    return ram.array()[(int) statusOf(slot)] & 0xff;
  }

  byte[] data(int slot, int bytes) {
    byte[] data = new byte[bytes];
    ram.read(dataOf(slot), data, 0, bytes);
    return data;
  }

  int used() {
    return ram.readShort(USED + 2);
  }

  int usedHead(int index) {
    return ram.readInt(USED + 4 + 8L * (index % SIZE));
  }

  int usedBytes(int index) {
    return ram.readInt(USED + 8 + 8L * (index % SIZE));
  }

  void done(long id, byte[] data) {
    disk.completed(new DiskCompletion(0, id, DiskStatus.DONE, Bytes.copyOf(data)));
  }

  void done(long id) {
    done(id, new byte[0]);
  }

  <R extends BlockRequest> R only(Class<R> type) {
    assertEquals(1, requests.size(), requests::toString);
    BlockRequest request = requests.removeFirst();
    assertTrue(type.isInstance(request), request::toString);
    return type.cast(request);
  }
}
