package lockstep.monitor.device;

import lockstep.monitor.bus.InterruptLine;
import lockstep.monitor.bus.PortHandler;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.state.Bytes;

/**
 * A 16550A serial port on the PC's wiring: OUT2 of the modem control register gates the interrupt.
 *
 * <p>The line is infinitely fast: a byte written leaves at once, so the transmitter is always
 * empty, and the interrupt that says so comes at once. The other end is always there: DCD, DSR and
 * CTS are on. Received bytes wait in a bounded queue until the guest makes room in the FIFO, so a
 * long paste does not overrun it. The character timeout needs no time either: bytes below the
 * trigger level interrupt at once, as a timeout.
 *
 * <p>Source: National Semiconductor PC16550D datasheet, section 8 (registers).
 */
public final class Uart16550 implements Device<UartState>, PortHandler {
  /** The depth of the FIFO. */
  public static final int FIFO_BYTES = 16;

  /** Room ahead of the FIFO: two of the largest console inputs (ExternalInput.ConsoleBytes). */
  public static final int WAITING_BYTES = 8192;

  /** How many ports the device takes. */
  public static final int PORTS = 8;

  private static final int IER_RECEIVED = 0x01;
  private static final int IER_TRANSMIT = 0x02;
  private static final int IER_LINE = 0x04;
  private static final int IER_MODEM = 0x08;
  private static final int IIR_NONE = 0x01;
  private static final int IIR_MODEM = 0x00;
  private static final int IIR_TRANSMIT = 0x02;
  private static final int IIR_RECEIVED = 0x04;
  private static final int IIR_LINE = 0x06;
  private static final int IIR_TIMEOUT = 0x0c;
  private static final int IIR_FIFOS = 0xc0;
  private static final int FCR_ENABLE = 0x01;
  private static final int FCR_CLEAR_RECEIVED = 0x02;
  private static final int LCR_DLAB = 0x80;
  private static final int MCR_OUT2 = 0x08;
  private static final int MCR_LOOP = 0x10;
  private static final int LSR_READY = 0x01;
  private static final int LSR_OVERRUN = 0x02;
  private static final int LSR_TRANSMITTER_EMPTY = 0x60;
  private static final int MSR_CTS = 0x10;
  private static final int MSR_DSR = 0x20;
  private static final int MSR_RI = 0x40;
  private static final int MSR_DCD = 0x80;

  /** 9,600 baud from 1.8432 MHz, which is what firmware leaves behind. */
  private static final int POWER_ON_DIVISOR = 12;

  /** Hears how the receiver stands when that changes; on the device's thread. */
  @FunctionalInterface
  public interface Receiver {
    /**
     * It has changed.
     *
     * @param listens whether received bytes interrupt the guest and the FIFOs are on: Linux turns
     *     them on last, and that empties them
     * @param roomBytes what {@link #receive} would take
     */
    void changed(boolean listens, int roomBytes);
  }

  private final InterruptLine line;
  private final ConsoleSink sink;
  private final Receiver receiver;
  private final ByteRing received = new ByteRing(FIFO_BYTES);
  private final ByteRing waiting = new ByteRing(WAITING_BYTES);
  private int interruptEnable;
  private boolean fifos;
  private int trigger;
  private int lineControl;
  private int modemControl;
  private int modemDelta;
  private int scratch;
  private int divisor = POWER_ON_DIVISOR;
  private boolean overrun;
  private boolean transmitInterrupt;

  /** A UART as after power-on, on the given interrupt line, sending to the given sink. */
  public Uart16550(InterruptLine line, ConsoleSink sink) {
    this(line, sink, (listens, roomBytes) -> {});
  }

  /** The same, telling how its receiver stands. */
  public Uart16550(InterruptLine line, ConsoleSink sink, Receiver receiver) {
    this.line = line;
    this.sink = sink;
    this.receiver = receiver;
  }

  /**
   * Bytes typed at the other end.
   *
   * @return how many were taken, from the front; the rest was refused because the queue is full
   */
  public int receive(Bytes content) {
    int taken = 0;
    while (taken < content.size() && !waiting.isFull()) {
      waiting.add(content.at(taken));
      taken++;
    }
    refill();
    drive();
    tellReceiver();
    return taken;
  }

  private void tellReceiver() {
    // OUT2 connects the interrupt on a PC.
    boolean connected = (modemControl & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
    boolean interrupts = connected && (interruptEnable & IER_RECEIVED) != 0;
    receiver.changed(interrupts && fifos, WAITING_BYTES - waiting.size());
  }

  @Override
  public int read(int offset, int sizeBytes) {
    int value =
        switch (offset) {
          case 0 -> divisorAccess() ? divisor & 0xff : readReceived();
          case 1 -> divisorAccess() ? divisor >>> 8 : interruptEnable;
          case 2 -> readInterruptId();
          case 3 -> lineControl;
          case 4 -> modemControl;
          case 5 -> readLineStatus();
          case 6 -> readModemStatus();
          default -> scratch;
        };
    drive();
    return value;
  }

  @Override
  public void write(int offset, int sizeBytes, int value) {
    int octet = value & 0xff;
    switch (offset) {
      case 0 -> {
        if (divisorAccess()) {
          divisor = (divisor & 0xff00) | octet;
        } else {
          transmit(octet);
        }
      }
      case 1 -> {
        if (divisorAccess()) {
          divisor = (divisor & 0xff) | (octet << 8);
        } else {
          writeInterruptEnable(octet & 0x0f);
        }
      }
      case 2 -> writeFifoControl(octet);
      case 3 -> lineControl = octet;
      case 4 -> writeModemControl(octet & 0x1f);
      case 5, 6 -> {
        // Line and modem status are read-only; the datasheet keeps writes for factory tests.
      }
      default -> scratch = octet;
    }
    drive();
  }

  private boolean divisorAccess() {
    return (lineControl & LCR_DLAB) != 0;
  }

  private boolean loopback() {
    return (modemControl & MCR_LOOP) != 0;
  }

  private int fifoLimit() {
    return fifos ? FIFO_BYTES : 1;
  }

  private void refill() {
    // In loopback the serial input is disconnected from the receiver.
    while (!loopback() && !waiting.isEmpty() && received.size() < fifoLimit()) {
      received.add(waiting.take());
    }
  }

  private int readReceived() {
    if (received.isEmpty()) {
      return 0;
    }
    int value = received.take();
    refill();
    tellReceiver();
    return value;
  }

  private int interruptId() {
    if ((interruptEnable & IER_LINE) != 0 && overrun) {
      return IIR_LINE;
    }
    if ((interruptEnable & IER_RECEIVED) != 0 && !received.isEmpty()) {
      return received.size() >= triggerLevel() ? IIR_RECEIVED : IIR_TIMEOUT;
    }
    if ((interruptEnable & IER_TRANSMIT) != 0 && transmitInterrupt) {
      return IIR_TRANSMIT;
    }
    if ((interruptEnable & IER_MODEM) != 0 && modemDelta != 0) {
      return IIR_MODEM;
    }
    return IIR_NONE;
  }

  private int triggerLevel() {
    if (!fifos) {
      return 1;
    }
    return switch (trigger) {
      case 0 -> 1;
      case 1 -> 4;
      case 2 -> 8;
      default -> 14;
    };
  }

  private int readInterruptId() {
    int id = interruptId();
    if (id == IIR_TRANSMIT) {
      // Datasheet table "Interrupt Control Functions": reading IIR as the source resets it.
      transmitInterrupt = false;
    }
    return id | (fifos ? IIR_FIFOS : 0);
  }

  private int readLineStatus() {
    int value =
        LSR_TRANSMITTER_EMPTY | (received.isEmpty() ? 0 : LSR_READY) | (overrun ? LSR_OVERRUN : 0);
    overrun = false;
    return value;
  }

  private int modemLines() {
    if (!loopback()) {
      return MSR_DCD | MSR_DSR | MSR_CTS;
    }
    // DTR, RTS, OUT1, OUT2 come back as DSR, CTS, RI, DCD.
    return ((modemControl & 1) << 5) | ((modemControl & 2) << 3) | ((modemControl & 0x0c) << 4);
  }

  private int readModemStatus() {
    int value = modemLines() | modemDelta;
    modemDelta = 0;
    return value;
  }

  private void writeModemControl(int value) {
    int before = modemLines();
    modemControl = value;
    int after = modemLines();
    int changed = (before ^ after) & (MSR_CTS | MSR_DSR | MSR_DCD);
    // TERI reports only the trailing edge of the ring indicator.
    int ringEnded = before & ~after & MSR_RI;
    modemDelta |= (changed | ringEnded) >>> 4;
    refill();
    tellReceiver();
  }

  private void writeInterruptEnable(int value) {
    if ((value & ~interruptEnable & IER_TRANSMIT) != 0) {
      // The transmitter is empty: enabling the interrupt raises it at once. Linux tests for this.
      transmitInterrupt = true;
    }
    interruptEnable = value;
    tellReceiver();
  }

  private void writeFifoControl(int value) {
    boolean enable = (value & FCR_ENABLE) != 0;
    if (enable != fifos || (enable && (value & FCR_CLEAR_RECEIVED) != 0)) {
      received.clear();
    }
    fifos = enable;
    // Without bit 0 the other bits are not programmed (datasheet, FCR bit 0).
    trigger = enable ? value >>> 6 : 0;
    refill();
    tellReceiver();
  }

  private void transmit(int octet) {
    if (!loopback()) {
      sink.consoleByte(octet);
    } else if (received.size() < fifoLimit()) {
      received.add(octet);
    } else {
      overrun = true;
    }
    transmitInterrupt = true;
  }

  private void drive() {
    // In loopback the OUT2 pin is forced off, and with it the PC's interrupt gate.
    boolean gate = (modemControl & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
    line.set(gate && interruptId() != IIR_NONE);
  }

  @Override
  public UartState save() {
    return new UartState(
        interruptEnable,
        fifos,
        trigger,
        lineControl,
        modemControl,
        modemDelta,
        scratch,
        divisor,
        overrun,
        transmitInterrupt,
        received.save(),
        waiting.save());
  }

  @Override
  public void restore(UartState state) {
    interruptEnable = state.interruptEnable();
    fifos = state.fifos();
    trigger = state.trigger();
    lineControl = state.lineControl();
    modemControl = state.modemControl();
    modemDelta = state.modemDelta();
    scratch = state.scratch();
    divisor = state.divisor();
    overrun = state.overrun();
    transmitInterrupt = state.transmitInterrupt();
    received.restore(state.received());
    waiting.restore(state.waiting());
    drive();
    tellReceiver();
  }

  @Override
  public Class<UartState> stateType() {
    return UartState.class;
  }

  @Override
  public void reset() {
    interruptEnable = 0;
    fifos = false;
    trigger = 0;
    lineControl = 0;
    modemControl = 0;
    modemDelta = 0;
    scratch = 0;
    divisor = POWER_ON_DIVISOR;
    overrun = false;
    transmitInterrupt = false;
    received.clear();
    waiting.clear();
    drive();
    tellReceiver();
  }
}
