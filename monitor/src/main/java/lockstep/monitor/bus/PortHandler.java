package lockstep.monitor.bus;

/** A device's window of I/O ports. Called on the vCPU thread only; must not block or allocate. */
public interface PortHandler {
  /**
   * The guest reads.
   *
   * @param offset the port relative to the base the handler was attached at
   * @param sizeBytes 1, 2 or 4
   * @return the value; bits above {@code sizeBytes} are ignored
   */
  int read(int offset, int sizeBytes);

  /**
   * The guest writes.
   *
   * @param offset the port relative to the base the handler was attached at
   * @param sizeBytes 1, 2 or 4
   * @param value zero-extended from {@code sizeBytes}
   */
  void write(int offset, int sizeBytes, int value);
}
