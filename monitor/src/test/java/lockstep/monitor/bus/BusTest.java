package lockstep.monitor.bus;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class BusTest {
  /** Answers with size and offset, and remembers what was written. */
  private static final class Echo implements PortHandler, MmioHandler {
    final StringBuilder written = new StringBuilder();
    final int count;

    Echo(int count) {
      this.count = count;
    }

    @Override
    public int read(int offset, int sizeBytes) {
      assertTrue(offset >= 0 && offset + sizeBytes <= count, "within its window");
      return sizeBytes << 4 | offset | 0xab000000;
    }

    @Override
    public void write(int offset, int sizeBytes, int value) {
      assertTrue(offset >= 0 && offset + sizeBytes <= count, "within its window");
      if (written.length() < 100) {
        written.append(offset).append(':').append(Integer.toHexString(value)).append(' ');
      }
    }

    @Override
    public long read(long offsetBytes, int sizeBytes) {
      return read((int) offsetBytes, sizeBytes);
    }

    @Override
    public void write(long offsetBytes, int sizeBytes, long value) {
      write((int) offsetBytes, sizeBytes, (int) value);
    }
  }

  @Test
  void byteWideHandlerSeesBytesAndTheRestOfTheAccessIsOnes() {
    PortBus bus = new PortBus();
    Echo echo = new Echo(2);
    bus.attach(0x20, 2, echo);
    assertEquals(0x1110, bus.read(0x20, 2));
    assertEquals(0xffff1110, bus.read(0x20, 4));
    assertEquals(1, bus.unclaimedReads());
    bus.write(0x1f, 4, 0x44332211);
    assertEquals("0:22 1:33 ", echo.written.toString());
    assertEquals(1, bus.unclaimedWrites());
  }

  @Test
  void wideHandlerSeesTheAccessAsMadeUnlessItLeavesTheWindow() {
    PortBus bus = new PortBus();
    Echo echo = new Echo(4);
    bus.attachWide(0xcfc, 4, echo);
    assertEquals(0xab000040, bus.read(0xcfc, 4));
    assertEquals(0x22, bus.read(0xcfe, 2));
    assertEquals(0xffff1312, bus.read(0xcfe, 4));
    bus.write(0xcfc, 2, 0xffff1234);
    assertEquals("0:1234 ", echo.written.toString());
  }

  @Test
  void unclaimedPortsAndTheEndOfThePortSpaceAreSafe() {
    PortBus bus = new PortBus();
    assertEquals(0xff, bus.read(0x80, 1));
    assertEquals(-1, bus.read(0xffff, 4));
    bus.write(0xfffe, 4, 0);
    bus.attachWide(0xffff, 1, new Echo(1));
    assertEquals(0xffffff10, bus.read(0xffff, 4));
  }

  @Test
  void overlapIsRefused() {
    PortBus bus = new PortBus();
    bus.attach(0x40, 4, new Echo(4));
    assertThrows(IllegalArgumentException.class, () -> bus.attach(0x43, 2, new Echo(2)));
    assertThrows(IllegalArgumentException.class, () -> bus.attach(0xffff, 2, new Echo(2)));
    assertEquals(0xff, bus.read(0x44, 1));
    MmioBus mmio = new MmioBus();
    assertTrue(mmio.attach(0x1000, 0x1000, new Echo(0x1000)));
    assertFalse(mmio.attach(0x1fff, 2, new Echo(2)));
    assertFalse(mmio.attach(0xfff, 2, new Echo(2)));
    assertTrue(mmio.attach(0x2000, 1, new Echo(1)));
    assertThrows(IllegalArgumentException.class, () -> mmio.attach(-1, 2, new Echo(2)));
  }

  @Test
  void mmioWindowsMoveAndStraddlingAccessesAreSafe() {
    MmioBus bus = new MmioBus();
    Echo echo = new Echo(4);
    assertTrue(bus.attach(0xd0000000L, 4, echo));
    assertEquals(0xab000040L, bus.read(0xd0000000L, 4));
    assertEquals(0xffffffffffff1312L, bus.read(0xd0000002L, 8));
    bus.detach(0xd0000000L);
    assertThrows(IllegalArgumentException.class, () -> bus.detach(0xd0000000L));
    assertEquals(0xffffffffL, bus.read(0xd0000000L, 4));
    assertTrue(bus.attach(0xe0000000L, 4, echo));
    bus.write(0xdfffffffL, 2, 0x5511);
    assertEquals("0:55 ", echo.written.toString());
    assertEquals(2, bus.unclaimedReads());
    assertEquals(1, bus.unclaimedWrites());
  }

  @Test
  void randomAccessesNeverEscapeAWindow() {
    long seed = System.nanoTime();
    System.out.println("BusTest seed " + seed);
    Random random = new Random(seed);
    PortBus ports = new PortBus();
    ports.attach(0, 9, new Echo(9));
    ports.attachWide(0xfff9, 7, new Echo(7));
    MmioBus mmio = new MmioBus();
    assertTrue(mmio.attach(0, 3, new Echo(3)));
    assertTrue(mmio.attach(Long.MAX_VALUE - 5, 5, new Echo(5)));
    for (int i = 0; i < 500_000; i++) {
      int size = 1 << random.nextInt(3);
      int port = (random.nextInt(40) - 20) & 0xffff;
      ports.read(port, size);
      ports.write(port, size, random.nextInt());
      int mmioSize = 1 << random.nextInt(4);
      long address = (random.nextBoolean() ? 0 : Long.MAX_VALUE) + random.nextInt(40) - 20;
      mmio.read(address, mmioSize);
      mmio.write(address, mmioSize, random.nextLong());
    }
    assertTrue(ports.unclaimedReads() > 0);
  }
}
