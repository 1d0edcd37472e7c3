package lockstep.monitor.device;

import java.util.Arrays;
import lockstep.monitor.bus.InterruptLine;
import lockstep.monitor.bus.PortHandler;

/**
 * The PC's interrupt controller: two 8259A, the slave's output wired to input 2 of the master, and
 * the edge/level control registers of the chip set (ports 0x4d0 and 0x4d1).
 *
 * <p>The CPU side is {@link #interruptPending} (the INT pin) and {@link #acknowledge} (INTA).
 * Source: Intel 8259A datasheet 231468; ELCR: Intel 82371SB (PIIX3) datasheet 290550.
 */
public final class Pic implements Device<PicState> {
  private static final int LINES = 16;
  private static final int CASCADE = 2;
  private static final int SPURIOUS = 7;

  private final PicChip master = new PicChip(1 << CASCADE, 0xf8);
  private final PicChip slave = new PicChip(0, 0xde);
  private final InterruptLine[] lines = new InterruptLine[LINES];
  private final Runnable[] acknowledged = new Runnable[LINES];
  private final PortHandler masterPorts = new ChipPorts(master);
  private final PortHandler slavePorts = new ChipPorts(slave);
  private final PortHandler elcrPorts = new ElcrPorts();

  /** A controller as after power-on: nothing initialized, all lines low. */
  public Pic() {
    Arrays.fill(acknowledged, (Runnable) () -> {});
    for (int irq = 0; irq < LINES; irq++) {
      PicChip chip = irq < 8 ? master : slave;
      int input = irq & 7;
      lines[irq] =
          high -> {
            chip.setLine(input, high);
            propagate();
          };
    }
  }

  /**
   * The wire of an interrupt request.
   *
   * @param irq 0..15 except 2, which is the slave's
   */
  public InterruptLine line(int irq) {
    checkIrq(irq);
    return lines[irq];
  }

  /**
   * Names who is told when the CPU takes {@code irq}: how the interval timer learns that a tick was
   * taken. Wiring, not state; called while acknowledging, after the controller's own change.
   */
  public void onAcknowledge(int irq, Runnable listener) {
    checkIrq(irq);
    acknowledged[irq] = listener;
  }

  private static void checkIrq(int irq) {
    if (irq < 0 || irq >= LINES || irq == CASCADE) {
      throw new IllegalArgumentException("irq " + irq + " is not a device's: 0..15 except 2");
    }
  }

  /** The INT pin: the CPU has an interrupt to take. */
  public boolean interruptPending() {
    return master.pending() >= 0;
  }

  /**
   * The INTA sequence.
   *
   * @return the vector, 0..255; the spurious one (input 7) when the request is gone
   */
  public int acknowledge() {
    int input = master.pending();
    if (input < 0) {
      return master.vector(SPURIOUS);
    }
    master.acknowledge(input);
    if (input != CASCADE) {
      acknowledged[input].run();
      return master.vector(input);
    }
    int slaveInput = slave.pending();
    if (slaveInput < 0) {
      return slave.vector(SPURIOUS);
    }
    slave.acknowledge(slaveInput);
    dropCascade();
    acknowledged[8 + slaveInput].run();
    return slave.vector(slaveInput);
  }

  /** INTA takes the slave's INT pin down, so that its next request is an edge again. */
  private void dropCascade() {
    master.setLine(CASCADE, false);
    propagate();
  }

  private void propagate() {
    master.setLine(CASCADE, slave.pending() >= 0);
  }

  /** Two ports, 0x20 on a PC. */
  public PortHandler masterPorts() {
    return masterPorts;
  }

  /** Two ports, 0xa0 on a PC. */
  public PortHandler slavePorts() {
    return slavePorts;
  }

  /** Two ports, 0x4d0 on a PC: master, slave. */
  public PortHandler elcrPorts() {
    return elcrPorts;
  }

  @Override
  public PicState save() {
    return new PicState(master.save(), slave.save());
  }

  @Override
  public void restore(PicState state) {
    master.restore(state.master());
    slave.restore(state.slave());
  }

  @Override
  public Class<PicState> stateType() {
    return PicState.class;
  }

  @Override
  public void reset() {
    slave.reset();
    master.reset();
    propagate();
  }

  private final class ChipPorts implements PortHandler {
    private final PicChip chip;

    ChipPorts(PicChip chip) {
      this.chip = chip;
    }

    @Override
    public int read(int offset, int sizeBytes) {
      boolean polled = chip.polled();
      int value = chip.read(offset & 1);
      // A poll acknowledges like INTA, so the slave's pin must fall here too.
      if (polled && chip == slave) {
        dropCascade();
      }
      propagate();
      if (polled && (value & 0x80) != 0) {
        acknowledged[(chip == slave ? 8 : 0) + (value & 7)].run();
      }
      return value;
    }

    @Override
    public void write(int offset, int sizeBytes, int value) {
      chip.write(offset & 1, value & 0xff);
      propagate();
    }
  }

  private final class ElcrPorts implements PortHandler {
    @Override
    public int read(int offset, int sizeBytes) {
      return (offset == 0 ? master : slave).elcr();
    }

    @Override
    public void write(int offset, int sizeBytes, int value) {
      (offset == 0 ? master : slave).setElcr(value & 0xff);
      propagate();
    }
  }
}
