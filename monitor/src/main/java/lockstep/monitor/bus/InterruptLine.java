package lockstep.monitor.bus;

/** One wire into an interrupt controller; a device is given it and knows nothing behind it. */
public interface InterruptLine {
  /** Sets the wire's level. Setting the level it has is allowed and changes nothing. */
  void set(boolean high);
}
