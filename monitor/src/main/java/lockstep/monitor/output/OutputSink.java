package lockstep.monitor.output;

/** Takes what the guest shows to the world. Called on the vCPU thread; must not block for long. */
public interface OutputSink {
  /** One byte (0..255) on the guest's console. */
  void consoleByte(int value);
}
