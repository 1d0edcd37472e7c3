package lockstep.monitor.device;

import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.DeviceState;

/**
 * A 16550A. Register names follow the National Semiconductor PC16550D datasheet.
 *
 * @param interruptEnable IER, 0..15
 * @param fifos FCR bit 0: the FIFOs are on
 * @param trigger FCR bits 7..6: when the receive FIFO interrupts
 * @param lineControl LCR, 0..255
 * @param modemControl MCR, 0..31
 * @param modemDelta MSR bits 3..0: what changed since the guest last read MSR
 * @param scratch SCR, 0..255
 * @param divisor the divisor latch, 0..65535
 * @param overrun LSR bit 1
 * @param transmitInterrupt a transmitter-empty interrupt waits to be read or replaced
 * @param received what the guest can read: the FIFO
 * @param waiting bytes from the host that have not reached the FIFO
 */
public record UartState(
    int interruptEnable,
    boolean fifos,
    int trigger,
    int lineControl,
    int modemControl,
    int modemDelta,
    int scratch,
    int divisor,
    boolean overrun,
    boolean transmitInterrupt,
    Bytes received,
    Bytes waiting)
    implements DeviceState {
  /** Checks every range, so that a UART can be restored from any state that exists. */
  public UartState {
    check("interruptEnable", interruptEnable, 0x0f);
    check("trigger", trigger, 3);
    check("lineControl", lineControl, 0xff);
    check("modemControl", modemControl, 0x1f);
    check("modemDelta", modemDelta, 0x0f);
    check("scratch", scratch, 0xff);
    check("divisor", divisor, 0xffff);
    check("received bytes", received.size(), fifos ? Uart16550.FIFO_BYTES : 1);
    check("waiting bytes", waiting.size(), Uart16550.WAITING_BYTES);
  }

  private static void check(String what, int value, int max) {
    if (value < 0 || value > max) {
      throw new IllegalArgumentException("uart: " + what + " " + value + ", not 0.." + max);
    }
  }
}
