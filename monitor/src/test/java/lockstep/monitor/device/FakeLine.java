package lockstep.monitor.device;

import lockstep.monitor.bus.InterruptLine;

/** A wire that counts its rising edges. */
final class FakeLine implements InterruptLine {
  boolean high;
  int rises;

  @Override
  public void set(boolean level) {
    if (level && !high) {
      rises++;
    }
    high = level;
  }
}
