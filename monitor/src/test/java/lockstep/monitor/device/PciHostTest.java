package lockstep.monitor.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

/** PCI Local Bus Specification 3.0, and what Linux's arch/x86/pci/direct.c and probe.c do. */
class PciHostTest {
  private int resets;
  private final PciHost host = new PciHost(new ResetControl(() -> resets++));

  private int config(int device, int register, int sizeBytes) {
    host.write(0, 4, 0x8000_0000 | (device << 11) | (register & 0xfc));
    return host.read(4 + (register & 3), sizeBytes);
  }

  private void config(int device, int register, int sizeBytes, int value) {
    host.write(0, 4, 0x8000_0000 | (device << 11) | (register & 0xfc));
    host.write(4 + (register & 3), sizeBytes, value);
  }

  private static PciConfigSpace function() {
    PciConfigSpace space =
        new PciConfigSpace(
            new PciConfigSpace.Identity(0x1af4, 0x1042, 1, 0x01_0000, 0x1af4, 0x1100));
    space.memoryBar(0, 0x4000);
    space.portBar(1, 64);
    space.interrupt(11);
    return space;
  }

  @Test
  void linuxFindsConfigurationMechanism1() {
    int before = host.read(0, 4);
    host.write(3, 1, 0x01);
    assertEquals(before, host.read(0, 4), "a byte does not reach the address register");
    host.write(0, 4, 0x8000_0000);
    assertEquals(0x8000_0000, host.read(0, 4));
    assertEquals(0x0600, config(0, 0x0a, 2), "a host bridge");
    assertEquals(0x1237_8086, config(0, 0, 4));
    assertEquals(0x12, config(0, 3, 1));
    assertEquals(0, config(0, 0x0e, 1), "one function");
  }

  @Test
  void whatIsAbsentReadsAsAllOnes() {
    assertEquals(-1, config(1, 0, 4));
    host.write(0, 4, 0x8000_0100);
    assertEquals(-1, host.read(4, 4), "function 1");
    host.write(0, 4, 0x8001_0000);
    assertEquals(-1, host.read(4, 4), "bus 1");
    host.write(0, 4, 0);
    assertEquals(-1, host.read(4, 4), "not enabled");
    assertThrows(IllegalArgumentException.class, () -> host.add(0, function()));
  }

  @Test
  void resetControlTakesBytesOnly() {
    host.write(1, 1, 0x02);
    assertEquals(2, host.read(1, 1));
    host.write(1, 1, 0x06);
    assertEquals(1, resets);
    host.write(0, 4, 0x8000_0600);
    host.write(0, 2, 0x0600);
    host.write(1, 2, 0x0606);
    assertEquals(1, resets);
    assertEquals(0xff, host.read(0, 1));
    assertEquals(0xffff, host.read(0, 2));
  }

  @Test
  void windowsAreSizedMovedAndSwitched() {
    PciConfigSpace space = function();
    int[] moves = new int[1];
    space.onMappingChange(() -> moves[0]++);
    host.add(3, space);
    assertEquals(PciConfigSpace.NOT_MAPPED, space.barAddress(0));
    config(3, 0x10, 4, -1);
    assertEquals(-0x4000, config(3, 0x10, 4));
    config(3, 0x14, 4, -1);
    assertEquals(-64 | 1, config(3, 0x14, 4));
    config(3, 0x18, 4, -1);
    assertEquals(0, config(3, 0x18, 4), "no such window");
    config(3, 0x10, 4, 0xc000_4000);
    config(3, 0x14, 4, 0xc040);
    assertEquals(PciConfigSpace.NOT_MAPPED, space.barAddress(0));
    config(3, 4, 2, 0xffff);
    assertEquals(0x0407, config(3, 4, 2));
    assertEquals(0xc000_4000L, space.barAddress(0));
    assertEquals(0xc040, space.barAddress(1));
    assertEquals(PciConfigSpace.NOT_MAPPED, space.barAddress(2));
    assertEquals(6, moves[0]);
    assertEquals(0x010b, config(3, 0x3c, 2), "line 11, pin A");
    config(3, 0x3c, 2, 0x0205);
    assertEquals(0x0105, config(3, 0x3c, 2));
    PciConfigState saved = space.save();
    space.reset();
    assertEquals(PciConfigSpace.NOT_MAPPED, space.barAddress(0));
    space.restore(saved);
    assertEquals(saved, space.save());
    PciConfigState empty = new PciConfigState(Bytes.copyOf(new byte[256]));
    assertThrows(IllegalArgumentException.class, () -> space.restore(empty));
  }

  @Test
  void capabilitiesFormAList() {
    PciConfigSpace space = function();
    space.addCapability(9, Bytes.copyOf(new byte[] {16, 1, 2, 3, 4, 5, 6}));
    space.addCapability(9, Bytes.copyOf(new byte[] {18}));
    host.add(31, space);
    assertEquals(0x10, config(31, 6, 2) & 0x10);
    int first = config(31, 0x34, 1);
    assertEquals(0x40, first);
    assertEquals(0x0110_4c09, config(31, first, 4));
    assertEquals(0x0012_0009, config(31, 0x4c, 4));
    config(31, first, 4, 0);
    assertEquals(0x0110_4c09, config(31, first, 4), "read only");
    assertThrows(
        IllegalArgumentException.class, () -> space.addCapability(9, Bytes.copyOf(new byte[200])));
  }

  @Test
  void randomGuestNeverBreaksItAndSaveRestoreKeepsTheFuture() {
    long seed = System.nanoTime();
    System.out.println("PciHostTest seed " + seed);
    Random random = new Random(seed);
    PciHost copy = new PciHost(new ResetControl(() -> {}));
    PciConfigSpace space = function();
    PciConfigSpace spaceCopy = function();
    host.add(1, space);
    copy.add(1, spaceCopy);
    for (int i = 0; i < 200_000; i++) {
      if (i % 1000 == 0) {
        copy.restore(host.save());
        spaceCopy.restore(space.save());
      }
      int size = 1 << random.nextInt(3);
      int offset = random.nextInt(PciHost.PORTS - size + 1);
      int value = random.nextInt();
      if (offset == 0 && size == 4) {
        value &= 0x8000_0fff;
      }
      if (random.nextBoolean()) {
        host.write(offset, size, value);
        copy.write(offset, size, value);
      } else if (offset != 1 || size != 1) {
        assertEquals(host.read(offset, size), copy.read(offset, size));
      }
    }
    assertEquals(host.save(), copy.save());
    assertEquals(space.save(), spaceCopy.save());
  }
}
