package lockstep.monitor.device;

import lockstep.monitor.bus.InterruptLine;
import lockstep.monitor.bus.PortHandler;

/**
 * The keyboard controller as far as a PC without keyboard and mouse needs it: reset, A20, self
 * test, command byte, and answers that let drivers give up at once instead of waiting. A byte for
 * the keyboard is answered with 0xfe (resend), and there is no auxiliary port.
 *
 * <p>Also port 0x92 (fast A20 and reset). A20 is remembered, not enforced: memory never wraps here.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device
 * Controller"; probes: Linux drivers/input/serio/i8042.c.
 */
public final class I8042 implements Device<I8042State> {
  private static final int STATUS_FULL = 0x01;
  private static final int STATUS_SYSTEM = 0x04;
  private static final int STATUS_LAST_WAS_COMMAND = 0x08;
  private static final int STATUS_UNLOCKED = 0x10;
  private static final int COMMAND_INTERRUPT = 0x01;
  private static final int KEYBOARD_OFF = 0x10;
  private static final int AUX_OFF = 0x20;
  private static final int OUTPUT_RUNNING = 0x01;
  private static final int OUTPUT_A20 = 0x02;
  private static final int POWER_ON_COMMAND = KEYBOARD_OFF | AUX_OFF;

  private final InterruptLine line;
  private final Runnable resetMachine;
  private int command = POWER_ON_COMMAND;
  private int pendingCommand;
  private boolean full;
  private int output;
  private boolean systemFlag;
  private boolean a20 = true;
  private final PortHandler dataPort = new DataPort();
  private final PortHandler commandPort = new CommandPort();
  private final PortHandler fastPort = new FastPort();

  /** A controller on interrupt line 1 that asks for a reset through {@code resetMachine}. */
  public I8042(InterruptLine line, Runnable resetMachine) {
    this.line = line;
    this.resetMachine = resetMachine;
  }

  /** Port 0x60. */
  public PortHandler dataPort() {
    return dataPort;
  }

  /** Port 0x64. */
  public PortHandler commandPort() {
    return commandPort;
  }

  /** Port 0x92. */
  public PortHandler fastPort() {
    return fastPort;
  }

  private void answer(int value) {
    output = value;
    full = true;
    drive();
  }

  private void drive() {
    line.set(full && (command & COMMAND_INTERRUPT) != 0);
  }

  private void command(int value) {
    pendingCommand = 0;
    switch (value) {
      case 0x20 -> answer(command);
      case 0x60, 0xd1, 0xd2, 0xd3, 0xd4 -> pendingCommand = value;
      case 0xa7 -> command |= AUX_OFF;
      case 0xa8 -> command &= ~AUX_OFF;
      case 0xa9 -> answer(0x01); // Clock line stuck: Linux takes it for no auxiliary port.
      case 0xaa -> {
        systemFlag = true;
        answer(0x55);
      }
      case 0xab -> answer(0x00);
      case 0xad -> command |= KEYBOARD_OFF;
      case 0xae -> command &= ~KEYBOARD_OFF;
      case 0xd0 -> answer(OUTPUT_RUNNING | (a20 ? OUTPUT_A20 : 0));
      case 0xdd -> a20 = false;
      case 0xdf -> a20 = true;
      default -> {
        // 0xf0..0xff pulse the output port's bits that are 0; bit 0 is the CPU's reset.
        if (value >= 0xf0 && (value & OUTPUT_RUNNING) == 0) {
          resetMachine.run();
        }
      }
    }
  }

  private void data(int value) {
    int waiting = pendingCommand;
    pendingCommand = 0;
    switch (waiting) {
      case 0x60 -> {
        command = value;
        drive();
      }
      case 0xd1 -> {
        a20 = (value & OUTPUT_A20) != 0;
        if ((value & OUTPUT_RUNNING) == 0) {
          resetMachine.run();
        }
      }
      // The auxiliary loop answers on the keyboard's side, which Linux takes for no mouse.
      case 0xd2, 0xd3 -> answer(value);
      default -> answer(0xfe);
    }
  }

  @Override
  public I8042State save() {
    return new I8042State(command, pendingCommand, full, output, systemFlag, a20);
  }

  @Override
  public void restore(I8042State state) {
    command = state.command();
    pendingCommand = state.pendingCommand();
    full = state.full();
    output = state.output();
    systemFlag = state.systemFlag();
    a20 = state.a20();
    drive();
  }

  @Override
  public Class<I8042State> stateType() {
    return I8042State.class;
  }

  @Override
  public void reset() {
    command = POWER_ON_COMMAND;
    pendingCommand = 0;
    full = false;
    output = 0;
    systemFlag = false;
    a20 = true;
    drive();
  }

  private final class DataPort implements PortHandler {
    @Override
    public int read(int offset, int sizeBytes) {
      full = false;
      drive();
      return output;
    }

    @Override
    public void write(int offset, int sizeBytes, int value) {
      data(value & 0xff);
    }
  }

  private final class CommandPort implements PortHandler {
    @Override
    public int read(int offset, int sizeBytes) {
      return STATUS_UNLOCKED
          | (full ? STATUS_FULL : 0)
          | (systemFlag ? STATUS_SYSTEM : 0)
          | (pendingCommand != 0 ? STATUS_LAST_WAS_COMMAND : 0);
    }

    @Override
    public void write(int offset, int sizeBytes, int value) {
      command(value & 0xff);
    }
  }

  private final class FastPort implements PortHandler {
    @Override
    public int read(int offset, int sizeBytes) {
      return a20 ? 2 : 0;
    }

    @Override
    public void write(int offset, int sizeBytes, int value) {
      a20 = (value & 2) != 0;
      if ((value & 1) != 0) {
        resetMachine.run();
      }
    }
  }
}
