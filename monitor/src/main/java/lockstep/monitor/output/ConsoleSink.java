package lockstep.monitor.output;

/** Takes the bytes of a console. Called on the vCPU thread; must not block for long. */
@FunctionalInterface
public interface ConsoleSink {
  /** One byte (0..255) on the guest's console. */
  void consoleByte(int value);
}
