package lockstep.monitor.device;

/**
 * The configuration space of one PCI function, as {@link PciHost} reaches it. An access lies within
 * one aligned doubleword. Called on the vCPU thread only; must not block or allocate.
 */
public interface PciFunction {
  /**
   * The guest reads.
   *
   * @param register 0..255
   * @param sizeBytes 1, 2 or 4
   * @return the value; bits above {@code sizeBytes} are ignored
   */
  int readConfig(int register, int sizeBytes);

  /** The guest writes; parameters as for {@link #readConfig}, value zero-extended. */
  void writeConfig(int register, int sizeBytes, int value);
}
