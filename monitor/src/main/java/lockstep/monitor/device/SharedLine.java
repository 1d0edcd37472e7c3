package lockstep.monitor.device;

import lockstep.monitor.bus.InterruptLine;

/**
 * An interrupt line that several devices pull, as the pins of PCI devices do: high while any of
 * them does. Its level follows from the devices' own and is no state.
 */
public final class SharedLine {
  private final InterruptLine line;
  private int pulling;

  /** A line that nothing pulls. */
  public SharedLine(InterruptLine line) {
    this.line = line;
  }

  /** A pin for one more device. While wiring only. */
  public InterruptLine pin() {
    return new Pin();
  }

  private final class Pin implements InterruptLine {
    private boolean high;

    @Override
    public void set(boolean level) {
      if (level != high) {
        high = level;
        pulling += level ? 1 : -1;
        line.set(pulling > 0);
      }
    }
  }
}
