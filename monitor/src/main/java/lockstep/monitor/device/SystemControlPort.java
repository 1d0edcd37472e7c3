package lockstep.monitor.device;

import lockstep.monitor.bus.PortHandler;

/**
 * Port 61h: gate and output of timer counter 2, speaker enable, refresh toggle. Source: Intel
 * 82371SB (PIIX3) datasheet 290550, "NMI Status and Control Register".
 *
 * <p>The refresh toggle (bit 4) changes with every read instead of every 15 us: guests that count
 * its edges make progress, and the clock need not be read.
 */
public final class SystemControlPort implements Device<SystemControlState>, PortHandler {
  private static final int GATE2 = 0x01;
  private static final int WRITABLE = 0x0e;
  private static final int REFRESH = 0x10;
  private static final int OUT2 = 0x20;

  private final Pit pit;
  private int control;
  private boolean refresh;

  /** The port beside the given timer. */
  public SystemControlPort(Pit pit) {
    this.pit = pit;
  }

  @Override
  public int read(int offset, int sizeBytes) {
    int value =
        control | (pit.gate2() ? GATE2 : 0) | (refresh ? REFRESH : 0) | (pit.out2() ? OUT2 : 0);
    refresh = !refresh;
    return value;
  }

  @Override
  public void write(int offset, int sizeBytes, int value) {
    control = value & WRITABLE;
    pit.setGate2((value & GATE2) != 0);
  }

  @Override
  public SystemControlState save() {
    return new SystemControlState(control, refresh);
  }

  @Override
  public void restore(SystemControlState state) {
    control = state.control();
    refresh = state.refresh();
  }

  @Override
  public Class<SystemControlState> stateType() {
    return SystemControlState.class;
  }

  @Override
  public void reset() {
    control = 0;
    refresh = false;
  }
}
