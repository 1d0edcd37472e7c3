package lockstep.monitor.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

/** National PC16550D datasheet, section 8, and what drivers/tty/serial/8250 tests. */
class Uart16550Test {
  private final FakeLine line = new FakeLine();
  private final StringBuilder sent = new StringBuilder();
  private final Uart16550 uart = new Uart16550(line, value -> sent.append((char) value));

  private int in(int register) {
    return uart.read(register, 1);
  }

  private void out(int register, int value) {
    uart.write(register, 1, value);
  }

  @Test
  void linuxAutoconfigFindsA16550A() {
    out(1, 0);
    assertEquals(0, in(1) & 0x0f);
    out(1, 0x0f);
    assertEquals(0x0f, in(1) & 0x0f);
    out(1, 0);
    out(4, 0x1a);
    assertEquals(0x90, in(6) & 0xf0, "loopback: RTS and OUT2 come back as CTS and DCD");
    out(4, 0);
    out(3, 0xbf);
    out(2, 0);
    out(3, 0);
    out(2, 1);
    assertEquals(3, in(2) >> 6);
    out(3, 0x80);
    assertNotEquals(0, in(2), "an enhanced feature register would read 0");
    out(2, 0x21);
    assertEquals(6, in(2) >> 5, "7 would be a 16750");
    out(3, 0);
    out(1, 0x40);
    assertEquals(0, in(1), "an XScale port would keep the unit enable bit");
  }

  @Test
  void transmitInterruptIsAssertedAgainWhenEnabledAgain() {
    out(1, 2);
    assertEquals(0x02, in(2), "else Linux sets UART_BUG_TXEN");
    assertEquals(0x01, in(2), "reading it resets it");
    out(1, 0);
    out(1, 2);
    assertEquals(0x02, in(2), "else Linux sets UART_BUG_THRE");
    out(0, 'x');
    assertEquals(0x02, in(2));
    assertEquals("x", sent.toString());
    assertEquals(0x60, in(5));
  }

  @Test
  void out2GatesTheInterrupt() {
    out(1, 2);
    assertFalse(line.high);
    out(4, 8);
    assertTrue(line.high);
    in(2);
    assertFalse(line.high);
    out(0, 'a');
    assertTrue(line.high);
    out(4, 0x18);
    assertFalse(line.high, "loopback forces OUT2 off");
  }

  @Test
  void receiveFifoInterruptsByTriggerLevelElseAsTimeout() {
    out(2, 0x81);
    out(1, 1);
    out(4, 8);
    uart.receive(Bytes.copyOf(new byte[7]));
    assertTrue(line.high);
    assertEquals(0xcc, in(2), "below 8: character timeout");
    uart.receive(Bytes.copyOf(new byte[] {9}));
    assertEquals(0xc4, in(2));
    for (int i = 0; i < 8; i++) {
      assertEquals(0x61, in(5));
      in(0);
    }
    assertFalse(line.high);
    assertEquals(0x60, in(5));
  }

  @Test
  void longPasteArrivesWholeAndInOrder() {
    byte[] paste = new byte[4096];
    new Random(1).nextBytes(paste);
    out(2, 1);
    assertEquals(4096, uart.receive(Bytes.copyOf(paste)));
    assertEquals(4096, uart.receive(Bytes.copyOf(paste)));
    assertEquals(Uart16550.FIFO_BYTES - 1, uart.receive(Bytes.copyOf(new byte[15])));
    assertEquals(1, uart.receive(Bytes.copyOf(new byte[100])), "refused beyond the bound");
    for (int i = 0; i < 8192; i++) {
      assertEquals(0x61, in(5), "no overrun, data ready");
      assertEquals(paste[i % 4096] & 0xff, in(0));
    }
  }

  @Test
  void loopbackReturnsBytesAndOverrunIsALineStatusInterrupt() {
    out(4, 0x10);
    out(1, 5);
    out(0, 'q');
    out(0, 'r');
    assertEquals(0x06, in(2));
    assertEquals(0x63, in(5));
    assertEquals(0x04, in(2));
    assertEquals('q', in(0));
    assertEquals("", sent.toString());
    uart.receive(Bytes.copyOf(new byte[] {'z'}));
    assertEquals(0x60, in(5), "the host's byte waits for the end of loopback");
    out(4, 0);
    assertEquals('z', in(0));
  }

  @Test
  void modemStatusShowsAPresentPeerAndDeltas() {
    assertEquals(0xb0, in(6));
    out(1, 8);
    out(4, 0x10);
    assertEquals(0x00, in(2));
    assertEquals(0x0b, in(6), "CTS, DSR, DCD went away");
    assertEquals(0x01, in(2));
    out(4, 0x14);
    assertEquals(0x40, in(6));
    out(4, 0x10);
    assertEquals(0x04, in(6), "trailing edge of ring");
  }

  @Test
  void divisorLatchAndScratchKeepTheirValues() {
    out(3, 0x83);
    out(0, 0x34);
    out(1, 0x12);
    assertEquals(0x34, in(0));
    assertEquals(0x12, in(1));
    out(3, 3);
    assertEquals(0, in(1));
    out(7, 0xa5);
    assertEquals(0xa5, in(7));
    assertEquals("", sent.toString());
  }

  @Test
  void randomGuestNeverBreaksItAndSaveRestoreKeepsTheFuture() {
    long seed = System.nanoTime();
    System.out.println("Uart16550Test seed " + seed);
    Random random = new Random(seed);
    FakeLine otherLine = new FakeLine();
    Uart16550 copy = new Uart16550(otherLine, value -> {});
    for (int i = 0; i < 200_000; i++) {
      if (i % 1000 == 0) {
        copy.restore(uart.save());
      }
      int register = random.nextInt(8);
      int value = random.nextInt(256);
      switch (random.nextInt(3)) {
        case 0 -> assertEquals(in(register), copy.read(register, 1));
        case 1 -> {
          out(register, value);
          copy.write(register, 1, value);
        }
        default -> {
          Bytes typed = Bytes.copyOf(new byte[random.nextInt(40)]);
          assertEquals(uart.receive(typed), copy.receive(typed));
        }
      }
      assertEquals(line.high, otherLine.high);
    }
    assertEquals(uart.save(), copy.save());
  }
}
