package lockstep.monitor.device;

import lockstep.monitor.bus.PortHandler;

/**
 * The reset control register, byte port 0xcf9: bit 2 going from 0 to 1 resets the machine. Source:
 * Intel 82371SB (PIIX3) datasheet 290550, "RC Reset Control Register".
 */
public final class ResetControl implements Device<ResetControlState>, PortHandler {
  private static final int RESET_CPU = 0x04;
  private static final int KEPT = 0x0a;

  private final Runnable resetMachine;
  private int value;

  /** A register that asks for a reset through {@code resetMachine}. */
  public ResetControl(Runnable resetMachine) {
    this.resetMachine = resetMachine;
  }

  @Override
  public int read(int offset, int sizeBytes) {
    return value;
  }

  @Override
  public void write(int offset, int sizeBytes, int written) {
    value = written & KEPT;
    if ((written & RESET_CPU) != 0) {
      resetMachine.run();
    }
  }

  @Override
  public ResetControlState save() {
    return new ResetControlState(value);
  }

  @Override
  public void restore(ResetControlState state) {
    value = state.value();
  }

  @Override
  public Class<ResetControlState> stateType() {
    return ResetControlState.class;
  }

  @Override
  public void reset() {
    value = 0;
  }
}
